"""Base of every configuration: frozen pydantic models, read from documents and written as plain values.

A field states its default, its meaning and the values that it accepts, as in ``Field(0.2, gt=0, description="...")``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AllowInfNan, BaseModel, ConfigDict, Strict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from hico_platform.config.document import Document, FieldPath, dotted
from hico_platform.config.pydantic_errors import problems_of, value_type
from hico_platform.config.scalars import Scalar
from hico_platform.errors import ConfigError, Problem

__all__ = [
    "Number",
    "Scalar",
    "Settings",
    "Whole",
    "field_problems",
    "field_types",
    "flatten",
    "leaves",
    "parse",
    "replace",
    "to_mapping",
]

Whole = Annotated[int, Strict()]
"""An integer: neither the text of one, nor true or false, nor 1.0."""

Number = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite number; an integer is turned into one."""


class Settings(BaseModel):
    """A part of a configuration; a key that is not one of its fields is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


S = TypeVar("S", bound=Settings)


def parse(cls: type[S], document: Document, *, at: FieldPath = ()) -> S:
    """Builds ``cls`` from a document, or from the part ``at`` of it.

    Raises:
        ConfigError: with every problem found, each with file, line, field, rule, value and remedy.
    """
    try:
        return cls.model_validate(document.value(at))
    except ValidationError as error:
        raise ConfigError(problems_of(error, cls, document, at=at)) from error


def to_mapping(config: Settings) -> dict[str, Any]:
    """Nested plain values, the inverse of :func:`parse`."""
    return config.model_dump(mode="json")


def flatten(config: Settings) -> dict[str, Scalar | None]:
    """``{"contrast.temperature": 0.2, ...}``: dotted names to plain scalars, lists as text."""
    flat: dict[str, Scalar | None] = {}

    def walk(value: Any, path: FieldPath) -> None:
        if isinstance(value, Mapping):
            for key, child in value.items():
                walk(child, (*path, key))
        else:
            flat[dotted(path)] = str(value) if isinstance(value, list) else value

    walk(to_mapping(config), ())
    return flat


def replace(config: S, values: Mapping[str, Any]) -> S:
    """``config`` with the dotted ``values`` set, under the same rules as a file.

    Raises:
        ConfigError: an unknown field or a broken rule.
    """
    mapping = to_mapping(config)
    for name, value in values.items():
        *parents, last = name.split(".")
        target = mapping
        for parent in parents:
            if not isinstance(target.get(parent), dict):
                target[parent] = {}
            target = target[parent]
        target[last] = value
    return parse(type(config), Document(data=mapping))


@functools.cache
def leaves(cls: type[Settings]) -> Mapping[str, FieldInfo]:
    """Dotted names of all fields that hold a value, in order; a field that holds fields is in their names."""
    found: dict[str, FieldInfo] = {}
    for name, field in cls.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Settings):
            found |= {f"{name}.{inner}": leaf for inner, leaf in leaves(kind).items()}
        else:
            found[name] = field
    return found


def field_types(cls: type[Settings]) -> dict[str, type]:
    """Dotted names of all leaves with their types, that of a field that may be null without the null."""
    return {name: value_type(field.annotation) for name, field in leaves(cls).items()}


def field_problems(cls: type[Settings], name: str, value: Any) -> list[Problem]:
    """What the dotted field's own rule says against ``value``; rules between fields are not checked."""
    try:
        _validator(cls, name).validate_python(value)
    except ValidationError as error:
        return problems_of(error, leaves(cls)[name].annotation, Document(data=value))
    return []


@functools.cache
def _validator(cls: type[Settings], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(leaves(cls)[name].rebuild_annotation())
