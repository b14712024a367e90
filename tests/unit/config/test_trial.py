from __future__ import annotations

from hico_platform.config.document import Document
from hico_platform.config.schema import (
    parse,
)
from hico_platform.config.trial import LevelWeights, ModelConfig, TrialConfig
from hico_platform.enums import EncoderType
from tests.unit.config.test_schema import refused


class TestParse:
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

    def test_what_is_not_given_is_as_released(self) -> None:
        config = parse(TrialConfig, Document(data={"model": {"encoder": "gru"}, "contrast": {"temperature": 1}}))
        assert config == TrialConfig(
            model=ModelConfig(encoder=EncoderType.GRU),
            contrast=TrialConfig().contrast.model_copy(update={"temperature": 1.0}),
        )
        assert isinstance(config.contrast.temperature, float)
