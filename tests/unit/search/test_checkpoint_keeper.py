"""The rule is applied while trials end: at quiet moments, to what has ended, and again where it failed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hico_platform.checkpoint_store import StoreAwayError
from hico_platform.config.space import Objective
from hico_platform.config.space_settings import KeepConfig
from hico_platform.search.checkpoint_keeper import CheckpointKeeper
from hico_platform.search.events import TrialBegan, TrialEnded, TrialReported
from hico_platform.search.keep_rule import DAY_S, Kept, Verdict
from hico_platform.search.ledger.base import Ending, TrialRecord, TrialState
from tests.unit.search.test_keep_rule import RUNNING, ended

KNN = (Objective.KNN,)


class Applied:
    """Checkpoints that note what is asked of them; ``fails`` raises."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, Kept]] = []
        self.fails: set[int] = set()
        self.away = False

    def apply(self, number: int, verdict: Verdict, *, last: str | None, at_s: float) -> bool:
        if self.away:
            raise StoreAwayError("away")
        if number in self.fails:
            raise OSError(28, "No space left on device")
        self.calls.append((number, verdict.kept))
        return True


class World:
    def __init__(self, trials: tuple[TrialRecord, ...] = (), **rule: object) -> None:
        self.applied, self.told = Applied(), []  # type: ignore[var-annotated]
        self.now_s = 0.0
        self.keeper = CheckpointKeeper(
            trials=trials,
            keep=KeepConfig(**{"best": 1, "per_rung": 0, **rule}),  # type: ignore[arg-type]
            objectives=KNN,
            checkpoints=self.applied,
            on_kept=lambda number, ending: self.told.append(number),
            clock=lambda: self.now_s,
            quiet_s=0.05,
        )

    def end(self, number: int, epoch: int, value: float, state: TrialState = TrialState.COMPLETE) -> None:
        trial = ended(number, epoch, value, RUNNING)
        self.keeper(TrialBegan(trial=ended(number, 0, None, RUNNING)))
        self.keeper(TrialReported(number=number, report=trial.reports[0]))
        self.keeper(TrialEnded(number=number, ending=Ending(state=state, epoch=epoch, at_s=self.now_s)))


def wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_as_trials_end_less_is_kept_of_the_others() -> None:
    world = World()
    world.end(0, 9, 0.5)
    world.keeper.apply()
    world.end(1, 9, 0.6)
    world.keeper(TrialBegan(trial=ended(2, 0, None, RUNNING)))
    world.keeper.apply()
    world.keeper.apply()
    assert world.applied.calls == [(0, Kept.WHOLE), (0, Kept.ENCODER), (1, Kept.WHOLE)]
    assert world.told == [0, 0, 1]


def test_an_earlier_drivers_trials_are_gone_through_at_the_start() -> None:
    world = World((ended(0, 9, 0.1, TrialState.COMPLETE), ended(1, 9, 0.2, TrialState.COMPLETE)))
    world.keeper.start()
    wait_for(lambda: len(world.applied.calls) == 2)
    world.keeper.close(finish=False)
    assert world.applied.calls == [(0, Kept.ENCODER), (1, Kept.WHOLE)]


def test_in_the_background_it_waits_for_a_quiet_moment() -> None:
    world = World()
    world.keeper.start()
    world.end(0, 9, 0.5)
    assert world.applied.calls == []
    wait_for(lambda: world.told == [0])
    world.keeper.close(finish=False)


def test_what_fails_is_a_warning_and_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.applied.fails = {0}
    world.end(0, 9, 0.5)
    world.end(1, 9, 0.4)
    with caplog.at_level(logging.WARNING):
        world.keeper.apply()
        world.keeper.apply()
    assert [record.getMessage() for record in caplog.records] == [
        "the checkpoint of trial 0 stays as it is: [Errno 28] No space left on device"
    ]
    assert world.told == [0, 1]  # its run gets what there is
    world.applied.fails = set()
    world.keeper.apply()
    assert world.applied.calls == [(1, Kept.ENCODER), (0, Kept.WHOLE)]


def test_a_store_that_is_away_is_asked_again_later(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.applied.away = True
    for number in (0, 1):
        world.end(number, 9, 0.5 - number / 10)
    world.keeper.apply()
    world.keeper.apply()
    assert [record.getMessage() for record in caplog.records] == [
        "the rule for checkpoints waits for their store: away"
    ]
    assert world.told == []
    world.applied.away = False
    world.keeper.apply()
    assert world.told == [0, 1]


def test_days_pass() -> None:
    world = World(days=2)
    world.end(0, 9, 0.5)
    world.end(1, 9, 0.4)
    world.keeper.start()
    wait_for(lambda: len(world.applied.calls) == 2)
    world.now_s = 2 * DAY_S
    wait_for(lambda: (1, Kept.NOTHING) in world.applied.calls)
    world.keeper.close(finish=False)


def test_the_end_of_a_search_applies_it_once_more_and_an_interruption_does_not() -> None:
    for finish in (True, False):
        world = World()
        world.end(0, 9, 0.5)
        world.keeper.close(finish=finish)
        assert bool(world.applied.calls) is finish


def test_without_a_rule_nothing_is_done(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(
        trials=(ended(0, 9, 0.5, TrialState.COMPLETE),), keep=None, objectives=KNN, checkpoints=Applied()
    )
    keeper.start()
    keeper(TrialBegan(trial=ended(1, 0, None, RUNNING)))
    keeper.apply()
    keeper.close(finish=True)
