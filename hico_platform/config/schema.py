"""Typed, frozen configuration from plain data: unknown keys and broken rules are refused by place.

A configuration is a tree of frozen dataclasses. A field's rule stands in its metadata (:func:`setting`).
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from hico_platform.config.document import Document, FieldPath, dotted
from hico_platform.config.scalars import Scalar, number_remedy, truth_remedy
from hico_platform.errors import ConfigError, Problem

__all__ = [
    "Bounds",
    "Scalar",
    "field_problems",
    "field_types",
    "flatten",
    "parse",
    "replace",
    "setting",
    "to_mapping",
    "unknown_key",
]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The numbers a field admits."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def broken(self, value: float) -> str | None:
        """The rule that ``value`` breaks, in words."""
        if not math.isfinite(value):
            return "a finite number"
        if self.at_least is not None and value < self.at_least:
            return f"at least {self.at_least:g}"
        if self.above is not None and value <= self.above:
            return f"above {self.above:g}"
        if self.at_most is not None and value > self.at_most:
            return f"at most {self.at_most:g}"
        if self.below is not None and value >= self.below:
            return f"below {self.below:g}"
        return None


def setting(
    default: Any,
    *,
    help: str,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> Any:
    """A field with its default, its meaning and the numbers it admits."""
    bounds = Bounds(at_least=at_least, above=above, at_most=at_most, below=below)
    return dataclasses.field(default=default, metadata={"help": help, "bounds": bounds})


def parse(cls: type[T], document: Document) -> T:
    """Builds ``cls`` from a document.

    Raises:
        ConfigError: with every problem found, each with file, line, field, rule, value and remedy.
    """
    problems: list[Problem] = []
    value = _value(cls, document.data, (), document, problems, None)
    if problems:
        raise ConfigError(problems)
    return typing.cast(T, value)


def to_mapping(config: Any) -> dict[str, Any]:
    """Nested plain values, the inverse of :func:`parse`."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def flatten(config: Any) -> dict[str, Scalar | None]:
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


def replace(config: T, values: Mapping[str, Any], *, document: Document | None = None) -> T:
    """``config`` with the dotted ``values`` set, under the same rules as a file.

    Raises:
        ConfigError: an unknown field or a broken rule; places are taken from ``document``.
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
    source = document or Document(data=None)
    return parse(type(config), dataclasses.replace(source, data=mapping))


def field_problems(cls: type, name: str, value: Any) -> list[Problem]:
    """What the dotted field's own rule says against ``value``; rules between fields are not asked."""
    *parents, last = name.split(".")
    kind: Any = cls
    for parent in parents:
        kind = typing.get_type_hints(kind)[parent]
    problems: list[Problem] = []
    (field,) = (field for field in dataclasses.fields(kind) if field.name == last)
    hint = typing.get_type_hints(kind)[last]
    _value(hint, value, (), Document(data=value), problems, field.metadata.get("bounds"))
    return problems


def field_types(cls: type) -> dict[str, type]:
    """Dotted names of all leaves with their types."""
    found: dict[str, type] = {}

    def walk(kind: type, prefix: str) -> None:
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            hint = hints[field.name]
            if dataclasses.is_dataclass(hint):
                walk(typing.cast(type, hint), f"{prefix}{field.name}.")
            else:
                found[f"{prefix}{field.name}"] = hint

    walk(cls, "")
    return found


def unknown_key(document: Document, path: FieldPath, key: str, known: list[str]) -> Problem:
    """The problem of a key that is not in ``known``, with the nearest that is."""
    near = difflib.get_close_matches(key, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"
    return document.problem((*path, key), rule="a known key", value=key, remedy=remedy)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _value(
    kind: Any,
    data: Any,
    path: FieldPath,
    document: Document,
    problems: list[Problem],
    bounds: Bounds | None,
) -> Any:
    def wrong(rule: str, remedy: str) -> None:
        problems.append(document.problem(path, rule=rule, value=data, remedy=remedy))

    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        if data is None and type(None) in typing.get_args(kind):
            return None
        options = [option for option in typing.get_args(kind) if option is not type(None)]
        if len(options) == 1:
            return _value(options[0], data, path, document, problems, bounds)
        (number,) = (option for option in options if option is float)
        (named,) = (option for option in options if option is not float)
        if isinstance(data, str) and data not in list(named):
            looks_like = number_remedy(data) or "write a number without quotes"
            return wrong(f"a number, or {', '.join(named)}", looks_like)
        return _value(named if isinstance(data, str) else number, data, path, document, problems, bounds)
    if origin is tuple:
        if not isinstance(data, list):
            return wrong("a list", "write it as [a, b]")
        (item_kind, _) = typing.get_args(kind)
        return tuple(_value(item_kind, item, (*path, i), document, problems, bounds) for i, item in enumerate(data))
    if origin is Mapping:  # read by its owner
        return data if isinstance(data, Mapping) else wrong("a mapping", "write key: value lines")
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(type, kind), data, path, document, problems)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        try:
            return kind(data)
        except ValueError:
            names = [str(member) for member in kind]
            near = difflib.get_close_matches(str(data).lower(), names, n=1)
            remedy = f"did you mean {near[0]}?" if near else "choose one of them"
            return wrong(f"one of {', '.join(names)}", remedy)
    if kind is bool:
        remedy = truth_remedy(data) or "write true or false"
        return data if isinstance(data, bool) else wrong("true or false", remedy)
    if kind is str:
        return data if isinstance(data, str) else wrong("text", "put it in quotes")
    return _number(kind, data, wrong, bounds)


def _number(kind: Any, data: Any, wrong: Any, bounds: Bounds | None) -> Any:
    if isinstance(data, bool) or not isinstance(data, int if kind is int else (int, float)):
        remedy = number_remedy(data) if isinstance(data, str) else None
        if kind is int and isinstance(data, float) and data.is_integer() and abs(data) < 2**53:
            remedy = f"write {int(data)}"
        wanted = "a whole number" if kind is int else "a number"
        return wrong(wanted, remedy or "write it without quotes or units")
    rule = None if bounds is None else bounds.broken(data)
    if rule is not None:
        return wrong(rule, "choose another value")
    return kind(data)


def _dataclass(kind: type, data: Any, path: FieldPath, document: Document, problems: list[Problem]) -> Any:
    if not isinstance(data, Mapping):
        problems.append(document.problem(path, rule="a mapping of fields", value=data, remedy="write key: value lines"))
        return None
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    problems += [unknown_key(document, path, key, list(fields)) for key in data if key not in fields]
    before = len(problems)
    values = {
        name: _value(hints[name], data[name], (*path, name), document, problems, field.metadata.get("bounds"))
        for name, field in fields.items()
        if name in data
    }
    for name, field in fields.items():
        no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name not in data and no_default:
            problems.append(document.problem(path, rule=f"{name} is given", remedy=f"add {name}:", show=False))
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ConfigError as error:  # a rule between fields, raised by __post_init__ with a bare field name
        problems += [
            document.problem(
                (*path, problem.field) if problem.field else path,
                rule=problem.rule,
                value=problem.value,
                remedy=problem.remedy,
            )
            for problem in error.problems
        ]
        return None
