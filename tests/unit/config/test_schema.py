from __future__ import annotations

import pickle
from typing import Any

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
from hico_platform.config.trial import ModelConfig, TrialConfig
from hico_platform.enums import EncoderType
from hico_platform.errors import ConfigError


def refused(data: Any, cls: type[Settings] = TrialConfig) -> list[tuple[str, str, object, str]]:
    with pytest.raises(ConfigError) as error:
        parse(cls, Document(data=data))
    return [(problem.field, problem.rule, problem.value, problem.remedy) for problem in error.value.problems]


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
