from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace
from hico_platform.enums import Decision
from hico_platform.errors import UsageError
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.replay_curves import RecordedCurves
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.simulator import CurveFunction, SimulatedClock, Simulation, simulate
from hico_platform.search.task import TrialTask
from tests.toy import FACTS, score, toy_space


def curve_of(task: TrialTask) -> CurveFunction:
    return lambda epoch: score(task.config.contrast.temperature, epoch)


def search(folder: Path, *, trials: int, workers: int = 1, **more: object) -> tuple[MemoryLedger, Simulation]:
    space = toy_space(trials=trials, **more)
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=trials, at_s=0.0)
    return ledger, search_on(ledger, space, curve_of, workers=workers)


def search_on(
    ledger: MemoryLedger, space: CheckedSpace, curves: Callable[[TrialTask], CurveFunction], *, workers: int = 1
) -> Simulation:
    clock = SimulatedClock()
    controller = SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=Path("toy"),
        observe=[].append,
        clock=clock,
    )
    return simulate(controller, curve_of=curves, clock=clock, workers=workers)


def test_every_trial_ends(tmp_path: Path) -> None:
    ledger, result = search(tmp_path, trials=30, workers=4)
    trials = ledger.trials()
    assert all(trial.state.is_final for trial in trials)
    assert result.epochs == sum(trial.epoch for trial in trials)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert [report.at_s for report in result.reports] == sorted(report.at_s for report in result.reports)


def test_without_a_scheduler_every_epoch_is_trained(tmp_path: Path) -> None:
    _, result = search(tmp_path, trials=10, scheduler={"name": "none"})
    assert result.epochs == 90
    assert result.seconds == 90.0
    assert {report.decision for report in result.reports} == {Decision.CONTINUE}


def test_workers_share_the_time(tmp_path: Path) -> None:
    _, one = search(tmp_path, trials=12, scheduler={"name": "none"})
    _, four = search(tmp_path, trials=12, workers=4, scheduler={"name": "none"})
    assert one.seconds == 4 * four.seconds


def test_asha_finds_the_optimum_in_a_fraction_of_the_epochs(tmp_path: Path) -> None:
    ledger, asha = search(tmp_path, trials=200, workers=8)
    _, full = search(tmp_path, trials=200, workers=8, scheduler={"name": "none"})
    assert asha.epochs < 0.5 * full.epochs
    best = max(trial.value or 0.0 for trial in ledger.trials())
    assert best > 0.95 * score(0.1, 9)


def test_thousands_of_trials(tmp_path: Path) -> None:
    ledger, _ = search(tmp_path, trials=2000, workers=16)
    assert len(ledger.trials()) == 2000


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
