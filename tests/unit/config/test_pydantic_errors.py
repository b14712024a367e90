from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from pydantic import Field

from hico_platform.config.schema import (
    Settings,
)
from tests.unit.config.test_schema import refused


class TestParse:
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
