from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.config.parameters import ActiveWhen, Choice, Fixed, Range
from hico_platform.config.schema import flatten
from hico_platform.config.space import space_from, space_of
from hico_platform.errors import ConfigError
from tests.unit.config.test_space import messages, space


class TestMistakes:
    @pytest.mark.parametrize(
        ("search", "message"),
        [
            (
                "contrast.temprature: {low: 0.1, high: 1}",
                "space.yaml:2: search.contrast.temprature: expected a known key, got 'temprature'; "
                "did you mean temperature?",
            ),
            (
                "temperature: {low: 0.1, high: 1}",
                "space.yaml:2: search.temperature: expected a known key, got 'temperature'; "
                "did you mean contrast.temperature?",
            ),
            (
                "contrast.temperature: {low: 2, high: 1}",
                "space.yaml:2: search.contrast.temperature.low: expected below high 1, got 2; "
                "swap them, or widen the range",
            ),
            (
                "contrast.temperature: {low: 1, high: 2, lo: 3}",
                "space.yaml:2: search.contrast.temperature.lo: expected a known key, got 'lo'; did you mean low?",
            ),
            (
                "contrast.temperature: {low: 1}",
                "space.yaml:2: search.contrast.temperature: expected a value for high, got {'low': 1}; add high:",
            ),
            (
                "optimiser.clip_gradient_norm: {low: null, high: 1}",
                "space.yaml:2: search.optimiser.clip_gradient_norm.low: expected a number; "
                "write it without quotes or units",
            ),
            (
                "contrast.temperature: [1, 2]",
                "space.yaml:2: search.contrast.temperature: expected a range, a choice or a value, got [1, 2]; "
                "write {choice: [..]}",
            ),
            (
                "contrast.temperature: {low: 0, high: 1}",
                "space.yaml:2: search.contrast.temperature.low: expected above 0, got 0; choose another value",
            ),
            (
                "contrast.momentum: {low: 0, high: 1, log: true}",
                "space.yaml:2: search.contrast.momentum.low: expected above 0 on a log range, got 0; "
                "raise low or remove log",
            ),
            (
                "model.layers: {low: 1, high: 2.5}",
                "space.yaml:2: search.model.layers.high: expected a whole number, got 2.5; "
                "write it without quotes or units",
            ),
            (
                "model.layers: {low: 1, high: 4, step: 2}",
                "space.yaml:2: search.model.layers.high: expected the sum of low and a whole number of steps, "
                "got 4; take 3",
            ),
            (
                "model.dropout: {low: 0, high: 0.5, step: 2}",
                "space.yaml:2: search.model.dropout.high: expected the sum of low and a whole number of steps, "
                "got 0.5; "
                "take a step of at most 0.5",
            ),
            (
                "contrast.temperature: {low: 0.1, high: 0.5, step: .inf}",
                "space.yaml:2: search.contrast.temperature.step: expected a number above 0, got inf; "
                "write a finite number",
            ),
            (
                "model.layers: {low: 1, high: 9, step: .inf}",
                "space.yaml:2: search.model.layers.step: expected a whole number above 0, got inf; "
                "write a finite number",
            ),
            (
                "contrast.temperature: {low: 1, high: 1e308, step: 1e-300}",
                "space.yaml:2: search.contrast.temperature.step: expected at most 1,000,000 steps in a range, "
                "got 1e-300; "
                "take larger steps, or none",
            ),
            (
                "model.dropout: {low: 0, high: 0.5, step: -1}",
                "space.yaml:2: search.model.dropout.step: expected a number above 0, got -1; choose another value",
            ),
            (
                "model.encoder: {choice: [grru, lstm]}",
                "space.yaml:2: search.model.encoder.choice[0]: expected one of gru, lstm, transformer, got 'grru'; "
                "did you mean gru?",
            ),
            (
                "model.encoder: {choice: [gru]}",
                "space.yaml:2: search.model.encoder.choice: expected at least two values, got ['gru']; "
                "write the value alone",
            ),
            (
                "model.encoder: {choice: [gru, gru]}",
                "space.yaml:2: search.model.encoder.choice[1]: expected values that differ, got 'gru'; "
                "remove one of the two",
            ),
            (
                "model.encoder: {low: 1, high: 2}",
                "space.yaml:2: search.model.encoder: expected a choice, since a range is for numbers, got "
                "{'low': 1, 'high': 2}; "
                "use {choice: [..]}",
            ),
            (
                "model.layers: 0",
                "space.yaml:2: search.model.layers: expected at least 1, got 0; choose another value",
            ),
            (
                "budget.epochs: {low: 1, high: 2}",
                "space.yaml:2: search.budget.epochs: expected the same for every trial, got {'low': 1, 'high': 2}; "
                "set it under base: as budget.epochs",
            ),
            (
                "evaluation.centre_crop: {low: 0.5, high: 1.0}",
                "space.yaml:2: search.evaluation.centre_crop: expected the same for every trial, got "
                "{'low': 0.5, 'high': 1.0}; set it under base: as evaluation.centre_crop",
            ),
            (
                "evaluation: {linear_epochs: {choice: [40, 80]}}",
                "space.yaml:2: search.evaluation.linear_epochs: expected the same for every trial, got "
                "{'choice': [40, 80]}; set it under base: as evaluation.linear_epochs",
            ),
            (
                "contrast: {low: 1, high: 2}",
                "space.yaml:2: search.contrast: expected a field, not a group, got 'contrast'; "
                "name one of its fields, or use simplex:",
            ),
            (
                "model.layers: {low: 1, high: 2, when: {model.encoder: lstm}}",
                "space.yaml:2: search.model.layers.when.model.encoder: expected a parameter that has a choice "
                "in this search, "
                "got 'model.encoder'; search it, or drop it",
            ),
            (
                "model.encoder: {choice: [gru, lsmt]}\nmodel.heads: {choice: [2, 4], when: {model.encoder: gru}}",
                "space.yaml:2: search.model.encoder.choice[1]: expected one of gru, lstm, transformer, got 'lsmt'; "
                "did you mean lstm?",
            ),
            (
                "model.layers: {low: 1, high: 2, when: {model.encode: lstm}}",
                "space.yaml:2: search.model.layers.when.model.encode: expected a parameter of this search, "
                "got 'model.encode'; name it as under search:",
            ),
            (
                "model.encoder: {choice: [gru, lstm]}\nmodel.heads: {choice: [2, 4], when: {model.encoders: gru}}",
                "space.yaml:3: search.model.heads.when.model.encoders: expected a parameter of this search, "
                "got 'model.encoders'; did you mean model.encoder?",
            ),
        ],
    )
    def test_one_mistake(self, tmp_path: Path, search: str, message: str) -> None:
        assert messages(tmp_path, search) == [message]

    def test_a_simplex_of_something_else(self, tmp_path: Path) -> None:
        assert messages(tmp_path, "model: {simplex: [heads, layers]}") == [
            "space.yaml:2: search.model: expected a group of weights, got 'model'; use contrast.level_weights"
        ]

    def test_circle_of_conditions(self, tmp_path: Path) -> None:
        text = (
            "model.encoder: {choice: [gru, lstm], when: {views.stream: bone}}\n"
            "views.stream: {choice: [bone, joint], when: {model.encoder: gru}}"
        )
        assert "no circle of conditions" in messages(tmp_path, text)[0]

    def test_dotted_and_nested_at_once(self, tmp_path: Path) -> None:
        text = "contrast.temperature: {low: 0.1, high: 1}\ncontrast: {temperature: {low: 0.1, high: 1}}"
        assert "a field that is set once, got 'search.contrast.temperature'" in messages(tmp_path, text)[0]


class TestReading:
    def test_dotted_and_nested_names_are_the_same(self, tmp_path: Path) -> None:
        dotted = space(tmp_path, "contrast.temperature: {low: 0.1, high: 0.5, log: true}")
        nested = space(tmp_path, "contrast:\n  temperature: {low: 0.1, high: 0.5, log: true}")
        assert dotted.parameters == nested.parameters
        assert dotted.parameters == (Range(name="contrast.temperature", low=0.1, high=0.5, log=True),)

    def test_kinds_of_parameters(self, tmp_path: Path) -> None:
        text = (
            "model.layers: {low: 1, high: 3}\nmodel.dropout: {low: 0, high: 0.4, step: 0.1}\n"
            "model.encoder: {choice: [lstm, transformer]}\nmodel.hidden_width: 64\n"
            "model.heads: {choice: [2, 4], when: {model.encoder: transformer}}"
        )
        assert space(tmp_path, text).parameters == (
            Range(name="model.layers", low=1, high=3, integer=True),
            Range(name="model.dropout", low=0, high=0.4, step=0.1),
            Choice(name="model.encoder", choices=("lstm", "transformer")),
            Fixed(name="model.hidden_width", value=64),
            Choice(
                name="model.heads",
                choices=(2, 4),
                when=(ActiveWhen(name="model.encoder", values=("transformer",)),),
            ),
        )

    def test_conditions_come_first_whatever_the_order(self, tmp_path: Path) -> None:
        text = (
            "model.heads: {choice: [2, 4], when: {model.encoder: transformer}}\n"
            "model.encoder: {choice: [lstm, transformer]}"
        )
        loaded = space(tmp_path, text)
        assert [parameter.name for parameter in loaded.parameters] == ["model.encoder", "model.heads"]
        values = flatten(loaded.base)
        assert len(loaded.active(values | {"model.encoder": "lstm"})) == 1
        assert len(loaded.active(values | {"model.encoder": "transformer"})) == 2


def test_a_search_of_a_version_that_varied_the_evaluation_stays_readable() -> None:
    source = {"search": {"evaluation": {"centre_crop": {"low": 0.5, "high": 1.0}}, "model.layers": {"choice": [1, 2]}}}
    assert space_from({"name": "old", **source}).searched == ("evaluation.centre_crop", "model.layers")
    with pytest.raises(ConfigError, match="expected the same for every trial"):
        space_of({"name": "new", **source})
