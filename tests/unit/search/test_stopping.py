from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.config.space import StopConfig
from hico_platform.search.ledger.base import Ending, Origin, ReportRecord, TrialRecord, TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.steering import ENDED_BY, Steering
from hico_platform.search.stopping import busy_s, good_enough, time_is_up
from hico_platform.vocabulary import Decision
from tests.toy import FACTS, toy_space


def trial(
    number: int, began_at_s: float, *reports: tuple[float, float], ended_at_s: float | None = None
) -> TrialRecord:
    """``reports`` are (time, value)."""
    records = tuple(
        ReportRecord(
            epoch=index + 1,
            value=value,
            metrics={},
            history=(),
            decision=Decision.CONTINUE,
            checkpoint="c",
            at_s=at_s,
        )
        for index, (at_s, value) in enumerate(reports)
    )
    ending = None
    if ended_at_s is not None:
        ending = Ending(state=TrialState.COMPLETE, epoch=len(records), at_s=ended_at_s)
    return TrialRecord(
        number=number,
        state=TrialState.RUNNING if ending is None else ending.state,
        values={},
        origin=Origin.SAMPLER,
        began_at_s=began_at_s,
        reports=records,
        ending=ending,
    )


class TestTime:
    def up(self, stop: StopConfig, *trials: TrialRecord, now_s: float) -> str | None:
        return time_is_up(stop, trials, began_at_s=0.0, now_s=now_s, sessions=[0.0], gpus=2.0)

    def test_hours(self) -> None:
        assert self.up(StopConfig(hours=1), now_s=3599) is None
        assert self.up(StopConfig(hours=1), now_s=3600) == "1 hours are over"

    def test_gpu_hours(self) -> None:
        stop = StopConfig(gpu_hours=3)
        done, at_work = trial(0, 0.0, (1800.0, 0.1), ended_at_s=3600.0), trial(1, 3600.0)
        assert self.up(stop, done, at_work, now_s=5000) is None
        assert self.up(stop, done, at_work, now_s=5400) == "3 GPU-hours are spent"

    def test_no_rule(self) -> None:
        assert self.up(StopConfig(), trial(0, 0.0), now_s=1e9) is None

    def test_time_between_drivers_does_not_count(self) -> None:
        cut_off = trial(0, 0.0, (10.0, 0.1), (1010.0, 0.2), ended_at_s=1020.0)
        assert busy_s(cut_off, now_s=2000.0, sessions=[0.0, 1000.0]) == 10 + 10 + 10


class TestGoodEnough:
    def test_target(self) -> None:
        trials = [trial(0, 0.0, (1.0, 0.4))]
        assert good_enough(StopConfig(target=0.5), trials) is None
        assert good_enough(StopConfig(target=0.4), trials) == "the target 0.4 is reached"

    def test_patience_counts_complete_trials_in_the_order_of_their_ends(self) -> None:
        trials = [
            trial(0, 0.0, (1.0, 0.5), ended_at_s=30.0),
            trial(1, 0.0, (1.0, 0.4), ended_at_s=10.0),
            trial(2, 0.0, (1.0, 0.3), ended_at_s=40.0),
            trial(3, 0.0, (1.0, 0.9)),
        ]
        assert good_enough(StopConfig(patience=2), trials) is None
        trials.append(trial(4, 0.0, (1.0, 0.5), ended_at_s=50.0))
        assert good_enough(StopConfig(patience=2), trials) == "2 complete trials brought nothing better"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize("rule", ["hours", "target"])
def test_a_search_that_a_rule_ends(tmp_path: Path, rule: str) -> None:
    space = toy_space(trials=9, stop={rule: 0.5})
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=9, at_s=0.0)
    clock = Clock()
    scheduler = make_scheduler(space.settings.scheduler, epochs=9)
    steering = Steering(
        ledger=ledger, space=space, scheduler=scheduler, directory=tmp_path, observe=[].append, clock=clock
    )
    assert steering.next_task() is not None
    clock.now_s = 1800.0
    answer = steering.reported(0, epoch=1, metrics={"knn_top1": 0.6}, history=(), checkpoint="c")
    assert answer is (Decision.STOP if rule == "hours" else Decision.CONTINUE)
    assert steering.next_task() is None
    assert ledger.note(ENDED_BY) == ("0.5 hours are over" if rule == "hours" else "the target 0.5 is reached")
    steering.finished(0, epoch=1, stopped_early=True, metrics={}, checkpoint="c")
    again = Steering(
        ledger=ledger,
        space=toy_space(trials=9),
        scheduler=scheduler,
        directory=tmp_path,
        observe=[].append,
        clock=clock,
    )
    assert ledger.note(ENDED_BY) is None
    assert again.next_task() is not None


def test_the_last_report_is_never_cut_short(tmp_path: Path) -> None:
    space = toy_space(stop={"hours": 0.001})
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=9, at_s=0.0)
    clock = Clock()
    steering = Steering(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=[].append,
        clock=clock,
    )
    steering.next_task()
    clock.now_s = 1e6
    answer = steering.reported(0, epoch=9, metrics={"knn_top1": 0.6}, history=(), checkpoint="c")
    assert answer is Decision.CONTINUE


def test_first_points_are_the_base_the_listed_and_the_warm_ones(tmp_path: Path) -> None:
    space = toy_space(points=[{"contrast": {"temperature": 0.3}}, {"model.encoder": "gru"}])
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=9, at_s=0.0)
    steering = Steering(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=[].append,
        warm_points=[{"contrast.temperature": 9.0, "model.encoder": "lstm", "model.heads": 2}],
    )
    for _ in range(5):
        steering.next_task()
    found = [(one.origin, *one.values.values()) for one in ledger.trials()]
    assert found[:4] == [
        (Origin.BASE, 0.2, "transformer"),
        (Origin.LISTED, pytest.approx(0.3), "transformer"),
        (Origin.LISTED, 0.2, "gru"),
        (Origin.WARM_START, 0.5, "lstm"),
    ]
    assert found[4][0] is Origin.SAMPLER
