"""The JSON Schema of space files, for editors, from the models that check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from hico_platform.config.schema import Settings, field_types, leaves
from hico_platform.config.search_forms import ChoiceForm, FixedForm, form_of, range_form, simplex_form, weights_of
from hico_platform.config.search_section import SAME_FOR_ALL
from hico_platform.config.space_settings import SamplerName, SchedulerName, Space
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import IGNORED
from hico_platform.enums import EncoderType


class _WithoutTitles(GenerateJsonSchema):
    """Titles of fields only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def space_schema() -> dict[str, Any]:
    """A schema (draft 2020-12) that admits what the checks of single fields admit.

    Rules between fields are left to ``search --dry-run``.
    """
    schema = Space.model_json_schema(schema_generator=_WithoutTitles)
    definitions = schema["$defs"]
    varied = [name for name in leaves(TrialConfig) if name not in SAME_FOR_ALL]
    parameters = {f"search {name}": _parameter(name, definitions) for name in varied}
    values = {name: _referred(_value(name), definitions) for name in leaves(TrialConfig)}
    definitions["TrialConfig"]["properties"] |= values
    schema["properties"]["search"] = _search(varied, definitions)
    for kind in (EncoderType, SamplerName, SchedulerName):
        definitions[kind.__name__]["enum"] = list(kind.all_names())  # plug-ins that are installed here too
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "hico-platform search space",
        "$defs": definitions | parameters,
        "patternProperties": {f"^{IGNORED}": {}},
    }


def _search(names: list[str], definitions: dict[str, Any]) -> dict[str, Any]:
    """Parameters by dotted names or nested; a group of weights may be a simplex of them."""
    root = _object()
    for name in names:
        node, parts = root, name.split(".")
        for depth, part in enumerate(parts[:-1], start=1):
            node = node["properties"].setdefault(part, _object())
            group = ".".join(parts[:depth])
            if weights_of(group):
                node["properties"] |= _referred(_of_form(simplex_form(group)), definitions)["properties"]
                root["properties"].setdefault(group, node)
        node["properties"][parts[-1]] = root["properties"][name] = {"$ref": f"#/$defs/search {name}"}
    return root


def _object() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _parameter(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """All that may stand at a field in the search section."""
    forms: list[type[Settings]] = [form_of(FixedForm, name), form_of(ChoiceForm, name)]
    if field_types(TrialConfig)[name] in (int, float):
        forms.append(range_form(name))
    schemas = [_value(name), *map(_of_form, forms)]
    description = leaves(TrialConfig)[name].description
    return {"anyOf": [_referred(schema, definitions) for schema in schemas], "description": description}


def _value(name: str) -> dict[str, Any]:
    annotation = leaves(TrialConfig)[name].rebuild_annotation()
    return TypeAdapter(annotation).json_schema(schema_generator=_WithoutTitles)


def _of_form(form: type[Settings]) -> dict[str, Any]:
    schema = form.model_json_schema(schema_generator=_WithoutTitles)
    return {key: value for key, value in schema.items() if key not in {"title", "description"}}


def _referred(schema: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema whose own definitions are moved to the common ones."""
    definitions |= schema.get("$defs", {})
    return {key: value for key, value in schema.items() if key != "$defs"}
