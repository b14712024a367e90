from __future__ import annotations

from pathlib import Path

from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.simulate import Curve, SimulatedClock, simulate
from hico_platform.search.steering import Steering
from hico_platform.search.task import TrialTask
from hico_platform.vocabulary import Decision
from tests.toy import FACTS, score, toy_space


def curve_of(task: TrialTask) -> Curve:
    return lambda epoch: score(task.config.contrast.temperature, epoch)


def search(folder: Path, *, trials: int, workers: int = 1, **more: object) -> tuple[MemoryLedger, object]:
    space = toy_space(trials=trials, **more)
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=trials, at_s=0.0)
    clock = SimulatedClock()
    steering = Steering(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=folder,
        observe=[].append,
        clock=clock,
    )
    return ledger, simulate(steering, curve_of=curve_of, clock=clock, workers=workers)


def test_every_trial_ends(tmp_path: Path) -> None:
    ledger, result = search(tmp_path, trials=30, workers=4)
    trials = ledger.trials()
    assert all(trial.state.is_final for trial in trials)
    assert result.epochs == sum(trial.epoch for trial in trials)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert [told.at_s for told in result.told] == sorted(told.at_s for told in result.told)


def test_without_a_scheduler_every_epoch_is_trained(tmp_path: Path) -> None:
    _, result = search(tmp_path, trials=10, scheduler={"name": "none"})
    assert result.epochs == 90
    assert result.seconds == 90.0
    assert {told.decision for told in result.told} == {Decision.CONTINUE}


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
