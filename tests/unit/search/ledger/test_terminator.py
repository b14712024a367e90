from __future__ import annotations

import dataclasses
import random

from hico_platform.config.parameters import uniform
from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.ledger.terminator import improvement_left
from tests.toy import toy_space
from tests.unit.search.test_stopping import trial


class TestNothingToGain:
    """Optuna's terminator over the records of trials."""

    def trials(self, count: int, *, noise: float) -> list[TrialRecord]:
        space = toy_space(trials=count)
        draw = random.Random(0)
        found = []
        for number in range(count):
            values = space.values(lambda axis: uniform(axis, draw=draw))
            value = 0.5 + noise * (draw.random() - 0.5)
            found.append(dataclasses.replace(trial(number, 0.0, (1.0, value), ended_at_s=2.0), values=values))
        return found

    def test_too_few_trials_say_nothing(self) -> None:
        assert improvement_left(toy_space(), self.trials(7, noise=0.1)) is None

    def test_a_flat_landscape_has_less_to_gain_than_a_rough_one(self) -> None:
        flat = improvement_left(toy_space(), self.trials(10, noise=0.001))
        rough = improvement_left(toy_space(), self.trials(10, noise=0.4))
        assert flat is not None
        assert rough is not None
        assert flat < 0.01 < rough
        assert improvement_left(toy_space(), self.trials(10, noise=0.001)) == flat
