from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hico_platform.config.space import CheckedSpace
from hico_platform.enums import Decision
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.memory import MemoryLedger
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


@pytest.mark.slow
def test_thousands_of_trials(tmp_path: Path) -> None:
    ledger, _ = search(tmp_path, trials=2000, workers=16)
    assert len(ledger.trials()) == 2000
