from __future__ import annotations

import dataclasses
import random

import pytest
from optuna.study import StudyDirection
from optuna.terminator import RegretBoundEvaluator

from hico_platform.config.parameters import uniform
from hico_platform.search.ledger import terminator as module
from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.ledger.samplers import SEEDS
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

    @pytest.mark.slow
    def test_a_flat_landscape_has_less_to_gain_than_a_rough_one(self) -> None:
        flat = improvement_left(toy_space(), self.trials(10, noise=0.001))
        rough = improvement_left(toy_space(), self.trials(10, noise=0.4))
        assert flat is not None
        assert rough is not None
        assert flat < 0.01 < rough
        assert improvement_left(toy_space(), self.trials(10, noise=0.001)) == flat

    def test_as_many_trials_as_start_the_sampler_are_enough(self) -> None:
        startup = toy_space().settings.sampler.startup_trials
        assert improvement_left(toy_space(), self.trials(startup - 1, noise=0.1)) is None
        assert improvement_left(toy_space(), self.trials(startup, noise=0.1)) is not None

    @pytest.mark.slow
    def test_a_higher_score_is_the_better_one(self) -> None:
        trials = self.trials(10, noise=0.4)
        frozen = [module._frozen(toy_space(), one) for one in trials]
        upwards, downwards = (
            RegretBoundEvaluator(seed=toy_space().settings.sampler.seed % SEEDS).evaluate(frozen, direction)
            for direction in (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)
        )
        assert improvement_left(toy_space(), trials) == pytest.approx(upwards)
        assert upwards != pytest.approx(downwards, rel=0.01)
