from __future__ import annotations

import pytest

from hico_platform.config.constraint import MOST_CHARACTERS, Constraint, problem_of, unknown_names
from hico_platform.config.schema import field_types
from hico_platform.config.trial import TrialConfig


class TestConstraints:
    KNOWN = field_types(TrialConfig)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("not " * 3000 + "model.layers > 1", f"it has more than {MOST_CHARACTERS} characters"),
            ("not " * 400 + "model.layers > 1", "it is more than 64 levels deep"),
            ("-" * 1900 + "1 > 1", "it is more than 64 levels deep"),
            ("model.layers" + "+1" * 500 + " > 1", "it is more than 64 levels deep"),
            ("(" * 900, None),
            ("model" + ".layers" * 200 + " > 1", "it is more than 64 levels deep"),
            ("1" * 1999 + " > 1", None),
            ("model.layers > \0", None),
        ],
    )
    def test_length_and_depth(self, text: str, message: str | None) -> None:
        unknown_names(text, self.KNOWN)
        found = problem_of(text, self.KNOWN)
        assert message is None or found == message

    def test_a_number_without_end_does_not_hold(self) -> None:
        assert not Constraint(text=f"{'9' * 400} / 3.0 > 1").holds({})
