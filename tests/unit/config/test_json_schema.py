from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hico_platform.config.json_schema import space_schema
from hico_platform.config.package_files import shipped_spaces
from hico_platform.config.yaml_loader import parse_yaml

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


VALIDATOR = jsonschema.Draft202012Validator(space_schema())


def errors(content: Any) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(content)]


def test_the_shipped_schema_is_the_generated_one() -> None:
    file = next(iter(shipped_spaces().values())).parent / "space.schema.json"
    assert json.loads(file.read_text()) == space_schema(), "run: hico-platform schema > search_spaces/space.schema.json"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(space_schema())


@pytest.mark.parametrize("file", shipped_spaces().values(), ids=lambda file: file.stem)
def test_every_shipped_space_names_it_and_meets_it(file: Path) -> None:
    first = file.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./space.schema.json"
    assert errors(parse_yaml(file.read_text()).data) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("nam: x", "$"),
        ("base: {model: {hidden_widt: 3}}", "$.base.model"),
        ("base: {budget.epochs: 0}", "$.base['budget.epochs']"),
        ("search: {contrast.temperature: {low: 0, high: 1}}", "$.search['contrast.temperature']"),
        ("search: {model: {encoder: {choice: [gruu, lstm]}}}", "$.search.model.encoder"),
        ("search: {model.encoder: {low: 1, high: 2}}", "$.search['model.encoder']"),
        ("search: {budget.epochs: {low: 1, high: 2}}", "$.search"),
        ("search: {evaluation.centre_crop: {low: 0.5, high: 1}}", "$.search"),
        (
            "search: {contrast.level_weights: {simplex: [clip, parts]}}",
            "$.search['contrast.level_weights'].simplex[1]",
        ),
        ("sampler: {name: tpo}", "$.sampler.name"),
    ],
)
def test_mistakes_are_found_where_they_are(text: str, path: str) -> None:
    assert errors(parse_yaml(text).data) == [path]


@pytest.mark.parametrize(
    "text",
    [
        "search: {contrast: {temperature: {low: 0.1, high: 1, log: true}}}",
        "search: {contrast: {level_weights: {simplex: [clip, part], sum: 2, low: 0.1}}}",
        "search: {model.layers: 2, model.heads: {fixed: 2, when: {model.encoder: transformer}}}",
        "extends: other.yaml\ntrials: 3\nstop: {hours: 2}",
    ],
)
def test_other_forms_are_admitted(text: str) -> None:
    assert errors(yaml.safe_load(text)) == []
