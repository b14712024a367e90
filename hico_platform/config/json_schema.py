"""The JSON Schema of space files, for editors, from the models that check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from hico_platform.config.schema import leaves
from hico_platform.config.search_section import SAME_FOR_ALL
from hico_platform.config.space_settings import Space
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import IGNORED


def space_schema() -> dict[str, Any]:
    """A schema (draft 2020-12) that admits what the checks of single fields admit.

    Rules between fields are left to ``search --dry-run``.
    """
    schema = Space.model_json_schema(schema_generator=_WithoutTitles)
    fields = {name: _field(schema, name) for name in leaves(TrialConfig)}
    trial = schema["$defs"]["TrialConfig"]["properties"]
    trial |= {name: {"$ref": pointer} for name, (pointer, _) in fields.items()}
    varied = {name: field for name, field in fields.items() if name not in SAME_FOR_ALL}
    schema["properties"]["search"] = _search(varied)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "hico-platform search space",
        "patternProperties": {f"^{IGNORED}": {}},
    }


class _WithoutTitles(GenerateJsonSchema):
    """Titles of fields only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _field(schema: Mapping[str, Any], name: str) -> tuple[str, Mapping[str, Any]]:
    """The pointer to a trial's dotted field and the schema that is there."""
    pointer, node = "#/$defs/TrialConfig", schema["$defs"]["TrialConfig"]
    for part in name.split("."):
        pointer, node = f"{pointer}/properties/{part}", node["properties"][part]
        if "$ref" in node and part != name.rsplit(".", maxsplit=1)[-1]:
            pointer = node["$ref"]
            node = schema["$defs"][pointer.rsplit("/", 1)[-1]]
    return pointer, node


def _search(fields: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Parameters by dotted names or nested; a group may be a simplex of its weights."""
    root: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}
    for name, (pointer, field) in fields.items():
        parameter = _parameter(pointer, field)
        root["properties"][name] = parameter
        node, parts = root, name.split(".")
        for depth, part in enumerate(parts[:-1], start=1):
            group = ".".join(parts[:depth])
            node = node["properties"].setdefault(
                part, {"type": "object", "additionalProperties": False, "properties": {}}
            )
            weights = [other.removeprefix(f"{group}.") for other in fields if other.startswith(f"{group}.")]
            if all("." not in weight and fields[f"{group}.{weight}"][1].get("type") == "number" for weight in weights):
                node["properties"] |= _simplex(weights)
                root["properties"].setdefault(group, node)
        node["properties"][parts[-1]] = parameter
    return root


def _parameter(pointer: str, field: Mapping[str, Any]) -> dict[str, Any]:
    value = {"$ref": pointer}
    when = {"type": "object", "description": "varied only where another parameter has this value or one of these"}
    forms: list[dict[str, Any]] = [
        value,
        _form({"fixed": value, "when": when}, ["fixed"]),
        _form({"choice": {"type": "array", "items": value, "minItems": 2}, "when": when}, ["choice"]),
    ]
    number = field["anyOf"][0] if "anyOf" in field else field
    if number.get("type") in {"integer", "number"}:
        end = {"$ref": f"{pointer}/anyOf/0"} if "anyOf" in field else value
        step = {"type": number["type"], "exclusiveMinimum": 0}
        ranged = {"low": end, "high": end, "log": {"type": "boolean"}, "step": step, "when": when}
        forms.append(_form(ranged, ["low", "high"]))
    return {"anyOf": forms, "description": field.get("description", "")}


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
