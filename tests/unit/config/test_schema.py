from __future__ import annotations

import math
import pickle
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from hico_platform.config.document import Document
from hico_platform.config.schema import (
    Number,
    Settings,
    Whole,
    field_problems,
    field_types,
    flatten,
    parse,
    replace,
    to_mapping,
)
from hico_platform.config.trial import LevelWeights, ModelConfig, TrialConfig
from hico_platform.enums import EncoderType
from hico_platform.errors import ConfigError


def refused(data: Any, cls: type[Settings] = TrialConfig) -> list[tuple[str, str, object, str]]:
    with pytest.raises(ConfigError) as error:
        parse(cls, Document(data=data))
    return [(problem.field, problem.rule, problem.value, problem.remedy) for problem in error.value.problems]


class TestParse:
    def test_what_is_not_given_is_as_released(self) -> None:
        config = parse(TrialConfig, Document(data={"model": {"encoder": "gru"}, "contrast": {"temperature": 1}}))
        assert config == TrialConfig(
            model=ModelConfig(encoder=EncoderType.GRU),
            contrast=TrialConfig().contrast.model_copy(update={"temperature": 1.0}),
        )
        assert isinstance(config.contrast.temperature, float)

    @pytest.mark.parametrize(
        ("data", "field", "rule", "remedy"),
        [
            ({"budget": {"epochs": True}}, "budget.epochs", "a whole number", "write it without quotes or units"),
            ({"budget": {"epochs": None}}, "budget.epochs", "a whole number", "write it without quotes or units"),
            ({"budget": {"epochs": 2.0}}, "budget.epochs", "a whole number", "write 2"),
            ({"budget": {"epochs": 0}}, "budget.epochs", "at least 1", "choose another value"),
            ({"model": {"dropout": 1}}, "model.dropout", "below 1", "choose another value"),
            ({"model": {"granularities": 7}}, "model.granularities", "at most 6", "choose another value"),
            ({"contrast": {"temperature": 0}}, "contrast.temperature", "above 0", "choose another value"),
            ({"contrast": {"momentum": math.nan}}, "contrast.momentum", "a finite number", "choose another value"),
            ({"contrast": {"temperature": "0,1"}}, "contrast.temperature", "a number", "write 0.1, with a point"),
            ({"model": {"encoder": "GRRU"}}, "model.encoder", "one of gru, lstm, transformer", "did you mean gru?"),
            ({"model": {"encoder": ["gru"]}}, "model.encoder", "one of gru, lstm, transformer", "did you mean gru?"),
            ({"model": [1]}, "model", "a mapping of fields", "write key: value lines"),
            ([1], "", "a mapping of fields", "write key: value lines"),
            ({"modle": {}}, "modle", "a known key", "did you mean model?"),
        ],
    )  # fmt: skip
    def test_a_field_s_own_rule(self, data: Any, field: str, rule: str, remedy: str) -> None:
        ((found_field, found_rule, _, found_remedy),) = refused(data)
        assert (found_field, found_rule, found_remedy) == (field, rule, remedy)

    def test_rules_between_fields_name_one_of_them(self) -> None:
        assert refused({"model": {"hidden_width": 90}}) == [
            ("model.heads", "a divisor of hidden_width 90", 4, "change one of the two")
        ]
        assert refused({"model": {"encoder": "gru", "hidden_width": 91}}) == [
            ("model.hidden_width", "an even number for a bidirectional encoder", 91, "take 92")
        ]
        weights = dict.fromkeys(LevelWeights.model_fields, 0)
        assert refused({"contrast": {"level_weights": weights}}) == [
            ("contrast.level_weights", "at least one level with weight", 0, "give a weight")
        ]

    def test_all_problems_at_once_unknown_keys_first(self) -> None:
        found = refused(
            {"model": {"heads": 0, "layer": 1}, "budget": {"epochs": "3"}, "views": {"frames": 2}, "more": 1}
        )
        assert [field for field, *_ in found] == ["model.layer", "more", "model.heads", "views.frames", "budget.epochs"]

    def test_an_error_that_has_no_words_here_is_in_pydantic_s(self) -> None:
        class Other(Settings):
            pattern: Annotated[str, Field(pattern="^a")]
            length: Annotated[str, Field(max_length=1)] = ""

        assert refused({"length": "ab"}, Other) == [
            ("", "a value for pattern", {"length": "ab"}, "add pattern:"),
            ("length", "a valid value (String should have at most 1 character)", "ab", "correct it"),
        ]


class TestPlainValues:
    def test_mapping_and_back(self) -> None:
        config = replace(TrialConfig(), {"model.encoder": "lstm", "optimiser.clip_gradient_norm": 1})
        plain = to_mapping(config)
        assert (plain["model"]["encoder"], type(plain["model"]["encoder"])) == ("lstm", str)
        assert parse(TrialConfig, Document(data=plain)) == config

    def test_flat_names(self) -> None:
        flat = flatten(TrialConfig())
        assert flat["contrast.level_weights.clip"] == 1.0
        assert flat["optimiser.clip_gradient_norm"] is None
        assert flat.keys() == field_types(TrialConfig).keys()

    def test_replace_is_under_the_same_rules(self) -> None:
        with pytest.raises(ConfigError, match=r"contrast\.temprature: expected a known key"):
            replace(TrialConfig(), {"contrast.temprature": 1})
        assert replace(ModelConfig(), {"heads": 8}).heads == 8

    def test_a_configuration_is_a_value(self) -> None:
        config = replace(TrialConfig(), {"model.heads": 8})
        again = pickle.loads(pickle.dumps(config))
        assert (again, hash(again)) == (config, hash(config))
        with pytest.raises(ValidationError):
            config.model.heads = 2  # type: ignore[misc]


class TestFields:
    def test_types_are_without_rules_and_null(self) -> None:
        class Some(Settings):
            number: Number | None = Field(None, gt=0)
            names: tuple[str, ...] = ()
            inner: ModelConfig = Field(default_factory=ModelConfig)
            count: Whole = Field(1, ge=1)

        types = field_types(Some)
        assert (types["number"], types["count"], types["names"]) == (float, int, tuple[str, ...])
        assert (types["inner.encoder"], types["inner.heads"]) == (EncoderType, int)

    def test_a_field_s_rule_knows_no_other_field(self) -> None:
        assert field_problems(TrialConfig, "model.hidden_width", 90) == []
        (problem,) = field_problems(TrialConfig, "model.hidden_width", 1)
        assert (problem.field, problem.rule, problem.value) == ("", "at least 2", 1)
        assert field_problems(TrialConfig, "optimiser.clip_gradient_norm", None) == []
