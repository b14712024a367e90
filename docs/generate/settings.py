"""The pages of configurations and space files, from the models that check them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from docs.generate.markdown import code, escaped, table
from hico_platform.config.json_schema import space_schema
from hico_platform.config.schema import Settings, leaves
from hico_platform.config.search_forms import ChoiceForm, FixedForm, RangeForm, SimplexForm
from hico_platform.config.search_section import SAME_FOR_ALL
from hico_platform.config.space_settings import Space
from hico_platform.config.trial import TrialConfig

HEAD = ("key", "type and rule", "default", "meaning")
FORMS = (
    ("A value", "`model.dropout: 0.2`", FixedForm, "`{fixed: 0.2, when: ...}` where it depends on another parameter."),
    (
        "A choice",
        "`model.encoder: {choice: [gru, lstm]}`",
        ChoiceForm,
        "At least two values, each once; they have no order.",
    ),
    (
        "A range",
        "`contrast.temperature: {low: 0.05, high: 0.5, log: true}`",
        RangeForm,
        "Whole numbers where the field is one. `log` draws evenly on a logarithmic scale, `step` only every so much.",
    ),
    (
        "Weights",
        "`contrast.level_weights: {simplex: [clip, part, domain, instance], sum: 4}`",
        SimplexForm,
        "Weights with a constant sum, each between `low` and `high`; the sum is their number where none is given.",
    ),
)


def configuration() -> str:
    """What ``pretrain --config`` and ``base:`` of a space file may say."""
    schema = space_schema()
    lines = [
        "# Configuration",
        "",
        "One pretraining: the file of `pretrain --config` and `retrain --config`, and `base:` in a [space",
        "file](space.md).",
        "Every key may be left out; the defaults are the released settings. An unknown key is an error that",
        "names the nearest.",
        "`--set` overrides one by its dotted name: `--set budget.epochs=27`.",
        "",
    ]
    for name, field in TrialConfig.model_fields.items():
        assert field.annotation is not None
        lines += [
            f"## {name}",
            "",
            escaped(field.annotation.__doc__ or ""),
            "",
            _fields(name, field.annotation, schema),
        ]
    return "\n".join(lines)


def space() -> str:
    """What a space file may say."""
    schema = space_schema()
    plain, nested = [], []
    for name, field in Space.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Settings) and name != "base":
            nested += [f"## {name}", "", escaped(kind.__doc__ or ""), "", _fields(name, kind, schema)]
        elif name not in {"base", "search"}:
            plain.append(_row(name, schema["properties"][name], schema))
    varied = [code(name) for name in leaves(TrialConfig) if name not in SAME_FOR_ALL]
    lines = [
        "# Space files",
        "",
        "A space file says what a search varies. `hico-platform schema` prints this page as a JSON Schema,",
        "which editors use",
        "to complete and check a file. [A space of your own](../guides/new-space.md) goes through one;",
        "[searching](../search.md)",
        "explains what samplers, schedulers and stop rules do.",
        "",
        table(HEAD, plain),
        "## base",
        "",
        "The settings of every trial: a [configuration](configuration.md).",
        "",
        "## search",
        "",
        "A mapping of a field, by its dotted name or nested, to what it may be:",
        "",
        table(
            ["form", "such as", "keys", "rule"],
            [
                (title, example, ", ".join(code(key) for key in form.model_fields), rule)
                for title, example, form, rule in FORMS
            ],
        ),
        "Each form but a bare value takes `when`, a mapping of another searched field to a value or a list of",
        "values: the",
        "parameter varies only in trials that have it.",
        "",
        f"All trials have the same {', '.join(map(code, SAME_FOR_ALL))}. These fields can be searched:",
        "",
        ", ".join(varied) + ".",
        "",
        *nested,
    ]
    return "\n".join(lines)


def _fields(name: str, kind: type[Any], schema: Mapping[str, Any]) -> str:
    found = schema["$defs"][kind.__name__]["properties"]
    rows = []
    for key, value in found.items():
        inner = _resolved(value, schema)
        if inner.get("type") == "object" and "properties" in inner:
            rows += [_row(f"{name}.{key}.{leaf}", one, schema) for leaf, one in inner["properties"].items()]
        else:
            rows.append(_row(f"{name}.{key}", value, schema))
    return table(HEAD, rows)


def _row(name: str, value: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[str, str, str, str]:
    default = value.get("default")
    shown = "" if "default" not in value or default == "" else code(_plain(default))
    return code(name), _rule(value, schema), shown, escaped(value.get("description", ""))


def _plain(default: Any) -> str:
    if isinstance(default, float):
        return f"{default:.6g}"
    return default if isinstance(default, str) else json.dumps(default)


def _resolved(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = value.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] | {} if reference else value


def _rule(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    inner = _resolved(value, schema)
    for several in ("anyOf", "oneOf"):
        if several in inner:
            return ", or ".join(_rule(one, schema) for one in inner[several])
    if "enum" in inner:
        return "one of " + ", ".join(map(code, inner["enum"]))
    kind = inner.get("type")
    if kind == "array":
        return f"list of {_rule(inner['items'], schema)}" if inner.get("items") else "list"
    bounds = [
        f"{sign} {_plain(inner[key])}"
        for key, sign in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in inner
    ]
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "null": "null",
    }
    return ", ".join([words.get(kind or "", "mapping"), *bounds])
