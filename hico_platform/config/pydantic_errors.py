"""What pydantic finds wrong, as problems: with the place in the document, the rule in words, and a remedy."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from hico_platform.config.document import Document, FieldPath
from hico_platform.config.scalars import number_remedy, truth_remedy
from hico_platform.errors import Problem
from hico_platform.plug_in_names import NamesWithPlugIns

_BROKEN = "broken_rule"
_FOLLOWS = "default_factory_not_called"
"""Of a default that is made from a field that is wrong itself."""

_BOUNDS = {"greater_than_equal", "greater_than", "less_than_equal", "less_than"}


class _Words(NamedTuple):
    """A rule, and what to do where it is broken."""

    rule: str
    remedy: str


class Described(_Words):
    """In a field's annotation: its rule in words of its own, whichever part of it is broken."""


_OTHER_WORDS = {
    "string_type": _Words("text", "put it in quotes"),
    "tuple_type": _Words("a list", "write it as [a, b]"),
    "dict_type": _Words("a mapping", "write key: value lines"),
    "model_type": _Words("a mapping of fields", "write key: value lines"),
    "finite_number": _Words("a finite number", "choose another value"),
}


def broken_rule(rule: str, *, field: FieldPath = (), value: object = None, remedy: str) -> PydanticCustomError:
    """What a validator raises; ``field`` is the part to name, ``value`` what to show instead of what stands there."""
    return PydanticCustomError(_BROKEN, "{rule}", {"rule": rule, "field": field, "value": value, "remedy": remedy})


def problems_of(error: ValidationError, kind: Any, document: Document, *, at: FieldPath = ()) -> list[Problem]:
    """All that is wrong with the part ``at`` of a document that was to be a ``kind``, unknown keys first."""
    found = [one for one in error.errors(include_url=False) if one["type"] != _FOLLOWS]
    found.sort(key=lambda one: one["type"] != "extra_forbidden")
    return [_problem(one, kind, document, at) for one in found]


def unknown_key(document: Document, path: FieldPath, key: str, known: list[str]) -> Problem:
    """The problem of a key that is not in ``known``, with the nearest that is."""
    remedy = nearest_remedy(key, known) or f"use one of {', '.join(known)}"
    return document.problem((*path, key), rule="a known key", value=key, remedy=remedy)


def nearest_remedy(text: object, known: list[str]) -> str | None:
    """The remedy of a text that is like one of the ``known`` ones."""
    near = difflib.get_close_matches(str(text), known, n=1)
    return f"did you mean {near[0]}?" if near else None


def value_type(annotation: Any) -> type:
    """The type of a field's values: without its rules and without None, and the first of several."""
    return cast(type, _options(annotation)[0])


def without_null(annotation: Any) -> Any:
    """The annotation of a field that may be null for one that may not."""
    if typing.get_origin(annotation) is Annotated:
        inner, *rules = typing.get_args(annotation)
        return Annotated[without_null(inner), *rules]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        (annotation,) = (option for option in typing.get_args(annotation) if option is not type(None))
    return annotation


def _problem(error: ErrorDetails, kind: Any, document: Document, at: FieldPath) -> Problem:
    details: Mapping[str, Any] = error.get("ctx", {})
    inside, annotation, described = _resolve(error["loc"], kind)
    path, value = (*at, *inside), error["input"]
    if error["type"] == "extra_forbidden":
        return unknown_key(document, path[:-1], str(path[-1]), list(annotation.model_fields))
    if error["type"] == "missing":
        rule, remedy = f"a value for {path[-1]}", f"add {path[-1]}:"
        return document.problem(path[:-1], rule=rule, value=value, remedy=remedy)
    if error["type"] == _BROKEN:
        path = (*path, *details["field"])
        value = document.value(path) if details["value"] is None else details["value"]
        return document.problem(path, rule=details["rule"], value=value, remedy=details["remedy"])
    words = _words(error, annotation, details)
    if described is not None:
        plain_remedy = number_remedy(str(value)) if isinstance(value, (str, float)) else None
        words = _Words(described.rule, described.remedy if plain_remedy is None else plain_remedy)
    return document.problem(path, rule=words.rule, value=value, remedy=words.remedy)


def _words(error: ErrorDetails, annotation: Any, details: Mapping[str, Any]) -> _Words:
    value = error["input"]
    match error["type"]:
        case "int_type":
            is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
            return _Words("a whole number", f"write {int(value)}" if is_whole else _number_remedy(value))
        case "float_type":
            return _Words("a number", _number_remedy(value))
        case "bool_type":
            return _Words("true or false", truth_remedy(value) or "write true or false")
        case "enum":
            return _choice(value, annotation)
        case bound if bound in _BOUNDS:
            return _Words(_bound_rule(bound, details), "choose another value")
    return _OTHER_WORDS.get(error["type"]) or _Words(f"a valid value ({error['msg']})", "correct it")


def _bound_rule(kind: str, details: Mapping[str, Any]) -> str:
    match kind:
        case "greater_than_equal":
            return f"at least {details['ge']:.15g}"
        case "greater_than":
            return f"above {details['gt']:.15g}"
        case "less_than_equal":
            return f"at most {details['le']:.15g}"
    return f"below {details['lt']:.15g}"


def _choice(value: object, annotation: Any) -> _Words:
    options = _options(annotation)
    names = [name for option in options if issubclass(option, StrEnum) for name in _names(option)]
    if float in options:
        remedy = number_remedy(str(value)) or "write a number without quotes"
        return _Words(f"a number, or {', '.join(names)}", remedy)
    return _Words(f"one of {', '.join(names)}", nearest_remedy(str(value).lower(), names) or "choose one of them")


def _names(option: type[StrEnum]) -> tuple[str, ...]:
    return option.all_names() if issubclass(option, NamesWithPlugIns) else tuple(map(str, option))


def _number_remedy(value: object) -> str:
    remedy = number_remedy(value) if isinstance(value, str) else None
    return remedy or "write it without quotes or units"


def _options(annotation: Any) -> list[Any]:
    """The types that an annotation admits besides None, without their rules."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _options(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [inner for option in typing.get_args(annotation) for inner in _options(option)]
    return [] if annotation is type(None) else [annotation]


class _Found(NamedTuple):
    """Where an error is, what was to be there, and how its field describes that."""

    path: FieldPath
    annotation: Any
    described: Described | None


def _resolve(location: tuple[int | str, ...], kind: Any) -> _Found:
    """What a location leads to; a model itself where the last part is no field of it.

    A location names which option of a union was tried too, which is no part of the document.
    """
    path: list[int | str] = []
    described: Described | None = None
    for part in location:
        option, *others = _options(kind)
        if others:  # a union: what follows is the name of an option
            break
        path.append(part)
        described = None
        if isinstance(option, type) and issubclass(option, BaseModel):
            if part not in option.model_fields:
                return _Found(tuple(path), option, None)
            field = option.model_fields[str(part)]
            kind = field.annotation
            described = next((one for one in field.metadata if isinstance(one, Described)), None)
        elif typing.get_origin(option) is tuple:
            kind = typing.get_args(option)[0]
    return _Found(tuple(path), kind, described)
