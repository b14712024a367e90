"""The JSON Schema of space files, for editors, from the same classes that check them."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from hico_platform.config.schema import Bounds
from hico_platform.config.search_section import SAME_FOR_ALL
from hico_platform.config.space_settings import Space
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import IGNORED

_BOUNDS = {
    "at_least": "minimum",
    "above": "exclusiveMinimum",
    "at_most": "maximum",
    "below": "exclusiveMaximum",
}


def space_schema() -> dict[str, Any]:
    """A schema (draft 2020-12) that admits what the checks of single fields admit.

    Rules between fields are left to ``search --dry-run``.
    """
    schema = _object(Space)
    schema["properties"]["base"] = _with_dotted_names(_object(TrialConfig), _leaves(TrialConfig))
    varied = {name: leaf for name, leaf in _leaves(TrialConfig).items() if name not in SAME_FOR_ALL}
    schema["properties"]["search"] = _search(varied)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hico-platform search space",
        **schema,
        "patternProperties": {f"^{IGNORED}": {}},
    }


def _object(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    properties = {field.name: _field(hints[field.name], field) for field in dataclasses.fields(kind)}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _field(hint: Any, field: dataclasses.Field[Any]) -> dict[str, Any]:
    if dataclasses.is_dataclass(hint):
        return _object(typing.cast(type, hint))
    schema = _type(hint, field.metadata.get("bounds"))
    if field.metadata.get("help"):
        schema["description"] = field.metadata["help"]
    if isinstance(field.default, (bool, int, float, str)):
        schema["default"] = str(field.default) if isinstance(field.default, StrEnum) else field.default
    return schema


def _type(hint: Any, bounds: Bounds | None) -> dict[str, Any]:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        options = typing.get_args(hint)
        return {"anyOf": [{"type": "null"} if kind is type(None) else _type(kind, bounds) for kind in options]}
    if origin is tuple:
        return {"type": "array", "items": _type(typing.get_args(hint)[0], bounds)}
    if origin is Mapping:
        return {"type": "object"}
    if issubclass(hint, StrEnum):
        return {"enum": [str(member) for member in hint]}
    if hint is bool:
        return {"type": "boolean"}
    if hint is str:
        return {"type": "string"}
    schema: dict[str, Any] = {"type": "integer" if hint is int else "number"}
    for name, keyword in _BOUNDS.items():
        bound = getattr(bounds, name) if bounds is not None else None
        if bound is not None:
            schema[keyword] = bound
    return schema


def _leaves(kind: type, prefix: str = "") -> dict[str, dict[str, Any]]:
    """Dotted names of leaves to their schemas."""
    hints = typing.get_type_hints(kind)
    found: dict[str, dict[str, Any]] = {}
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            found |= _leaves(typing.cast(type, hint), f"{prefix}{field.name}.")
        else:
            found[f"{prefix}{field.name}"] = _field(hint, field)
    return found


def _with_dotted_names(schema: dict[str, Any], leaves: Mapping[str, Any]) -> dict[str, Any]:
    return {**schema, "properties": schema["properties"] | dict(leaves)}


def _search(leaves: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Parameters by dotted names or nested; a group may be a simplex of its weights."""
    root: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}
    for name, leaf in leaves.items():
        parameter = _parameter(leaf)
        root["properties"][name] = parameter
        node, parts = root, name.split(".")
        for depth, part in enumerate(parts[:-1], start=1):
            group = ".".join(parts[:depth])
            node = node["properties"].setdefault(
                part, {"type": "object", "additionalProperties": False, "properties": {}}
            )
            weights = [other.removeprefix(f"{group}.") for other in leaves if other.startswith(f"{group}.")]
            if all("." not in weight and leaves[f"{group}.{weight}"].get("type") == "number" for weight in weights):
                node["properties"] |= _simplex(weights)
                root["properties"].setdefault(group, node)
        node["properties"][parts[-1]] = parameter
    return root


def _parameter(leaf: dict[str, Any]) -> dict[str, Any]:
    value = {key: rule for key, rule in leaf.items() if key not in {"description", "default"}}
    when = {"type": "object", "description": "varied only where another parameter has this value or one of these"}
    forms: list[dict[str, Any]] = [
        value,
        _form({"fixed": value, "when": when}, ["fixed"]),
        _form({"choice": {"type": "array", "items": value, "minItems": 2}, "when": when}, ["choice"]),
    ]
    number = next((one for one in (value, *value.get("anyOf", [])) if one.get("type") in {"integer", "number"}), None)
    if number is not None:
        step = {"type": number["type"], "exclusiveMinimum": 0}
        ranged = {"low": number, "high": number, "log": {"type": "boolean"}, "step": step, "when": when}
        forms.append(_form(ranged, ["low", "high"]))
    return {"anyOf": forms, "description": leaf.get("description", "")}


def _form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def _simplex(weights: list[str]) -> dict[str, Any]:
    return {
        "simplex": {"type": "array", "items": {"enum": weights}, "minItems": 2, "uniqueItems": True},
        "sum": {"type": "number", "exclusiveMinimum": 0},
        "low": {"type": "number", "minimum": 0},
        "high": {"type": "number", "minimum": 0},
        "when": {"type": "object"},
    }
