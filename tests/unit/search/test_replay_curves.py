from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from hico_platform.config.schema import Scalar
from hico_platform.errors import UsageError
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.replay_curves import RecordedCurves
from hico_platform.search.task import TrialTask
from tests.toy import FACTS, score, toy_space
from tests.unit.search.test_simulator import search, search_on


class TestRecordedCurves:
    """Other policies are tried on the curves of a search."""

    def recorded(self, folder: Path, **more: object) -> tuple[MemoryLedger, RecordedCurves]:
        space = toy_space()
        ledger, _ = search(folder, trials=40, scheduler={"name": "none", "report_every": 1}, **more)
        return ledger, RecordedCurves(space, ledger.trials())

    def test_a_recorded_point_gets_its_own_curve(self, tmp_path: Path) -> None:
        ledger, curves = self.recorded(tmp_path)
        for trial in ledger.trials()[:5]:
            curve = curves(task_of(trial.values))
            assert {epoch: curve(epoch) for epoch in trial.curve} == trial.curve

    def test_another_point_gets_the_nearest_one_of_its_choice(self, tmp_path: Path) -> None:
        ledger, curves = self.recorded(tmp_path)
        gru = [trial for trial in ledger.trials() if trial.values["model.encoder"] == "gru"]
        nearest = min(gru, key=lambda trial: abs(math.log(float(trial.values["contrast.temperature"]) / 0.11)))
        assert curves(task_of({"contrast.temperature": 0.11, "model.encoder": "gru"}))(9) == nearest.curve[9]

    def test_between_reports_the_curve_is_a_line(self) -> None:
        ledger = MemoryLedger(name="toy", space=toy_space(), facts=FACTS, limit=2, at_s=0.0)
        search_on(
            ledger, toy_space(trials=2, scheduler={"name": "asha", "grace_epochs": 3}), lambda task: lambda e: e / 10
        )
        curve = RecordedCurves(toy_space(), ledger.trials())(task_of({"contrast.temperature": 0.2}))
        assert [curve(epoch) for epoch in (1, 3, 6, 9, 12)] == pytest.approx([0.3, 0.3, 0.6, 0.9, 0.9])

    def test_a_policy_on_recorded_curves(self, tmp_path: Path) -> None:
        _, curves = self.recorded(tmp_path)
        space = toy_space(trials=200)
        ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=200, at_s=0.0)
        search_on(ledger, space, curves)
        stopped = sum(trial.state is TrialState.PRUNED for trial in ledger.trials())
        assert stopped > 100
        assert max(trial.value or 0.0 for trial in ledger.trials()) > 0.9 * score(0.1, 9)

    def test_too_few(self) -> None:
        with pytest.raises(
            UsageError, match=r"curves: expected at least 2 trials of the whole budget, got 0; record a search"
        ):
            RecordedCurves(toy_space(), ())


def task_of(values: Mapping[str, Scalar]) -> TrialTask:
    config = toy_space().config(values)
    return TrialTask(number=0, config=config, directory=Path(), report_epochs=(9,), cpus=1, gpus=0)
