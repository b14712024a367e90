from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import ClassVar

import pytest

from hico_platform.config.parameters import uniform
from hico_platform.config.space import CheckedSpace, StopConfig
from hico_platform.enums import Decision
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import Ending, Ledger, Origin, ReportRecord, TrialRecord, TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.ledger.terminator import improvement_left
from hico_platform.search.notes import ENDED_BY
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.stopping import busy_s, good_enough, time_is_up
from tests.toy import FACTS, toy_outcome, toy_report, toy_space


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
            checkpoint=Path("c"),
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
        return time_is_up(stop, trials, running_s=now_s, now_s=now_s, sessions=[0.0], gpus=2.0)

    def test_hours(self) -> None:
        assert self.up(StopConfig(hours=1), now_s=3599) is None
        assert self.up(StopConfig(hours=1), now_s=3600) == "1 hours are over"

    def test_hours_do_not_pass_when_the_clock_is_set_forward(self, tmp_path: Path) -> None:
        space, seconds = toy_space(stop={"hours": 1}), {"clock": 5.0, "timer": 5.0}
        controller = SearchController(
            ledger=MemoryLedger(name="toy", space=space, facts=FACTS, limit=6, at_s=0.0),
            space=space,
            scheduler=make_scheduler(space.settings.scheduler, epochs=9),
            directory=tmp_path,
            observe=[].append,
            clock=lambda: seconds["clock"],
            timer=lambda: seconds["timer"],
        )
        seconds["clock"] += 36_000
        assert not controller.time_is_up
        seconds["timer"] += 3600
        assert controller.time_is_up

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
    controller = SearchController(
        ledger=ledger, space=space, scheduler=scheduler, directory=tmp_path, observe=[].append, clock=clock
    )
    assert controller.next_task() is not None
    clock.now_s = 1800.0
    answer = controller.reported(0, toy_report(1, 0.6))
    assert answer is (Decision.STOP if rule == "hours" else Decision.CONTINUE)
    assert controller.next_task() is None
    assert ledger.note(ENDED_BY) == ("0.5 hours are over" if rule == "hours" else "the target 0.5 is reached")
    controller.finished(0, toy_outcome(1, stopped_early=True))
    again = SearchController(
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
    controller = SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=[].append,
        clock=clock,
    )
    controller.next_task()
    clock.now_s = 1e6
    answer = controller.reported(0, toy_report(9, 0.6))
    assert answer is Decision.CONTINUE


def test_first_points_are_the_released_the_base_the_listed_and_the_warm_ones(tmp_path: Path) -> None:
    base = {"model": {"hidden_width": 16}, "contrast": {"temperature": 0.1}, "budget": {"epochs": 9}}
    space = toy_space(base=base, points=[{"contrast": {"temperature": 0.3}}, {"model.encoder": "gru"}])
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=9, at_s=0.0)
    controller = SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=[].append,
        warm_points=[{"contrast.temperature": 9.0, "model.encoder": "lstm", "model.heads": 2}],
    )
    for _ in range(6):
        controller.next_task()
    found = [(one.origin, *one.values.values()) for one in ledger.trials()]
    assert found[:5] == [
        (Origin.RELEASED, 0.2, "transformer"),
        (Origin.BASE, 0.1, "transformer"),
        (Origin.LISTED, pytest.approx(0.3), "transformer"),
        (Origin.LISTED, 0.1, "gru"),
        (Origin.WARM_START, 0.5, "lstm"),
    ]
    assert found[5][0] is Origin.SAMPLER


class TestPointsInLine:
    """Given points are tried once, also where a resumed search has new ones."""

    SEARCH: ClassVar[dict[str, object]] = {
        "model": {
            "encoder": {"choice": ["lstm", "transformer"]},
            "heads": {"choice": [2, 4, 8], "when": {"model.encoder": "transformer"}},
        }
    }

    def begun(self, ledger: Ledger, space: CheckedSpace, *, count: int, warm: object = ()) -> list[tuple[object, ...]]:
        controller = SearchController(
            ledger=ledger,
            space=space,
            scheduler=make_scheduler(space.settings.scheduler, epochs=9),
            directory=Path("toy"),
            observe=[].append,
            warm_points=warm,
        )
        before = len(ledger.trials())
        for _ in range(count):
            task = controller.next_task()
            assert task is not None
            controller.reported(task.number, toy_report(9, 0.5))
            controller.finished(task.number, toy_outcome(9))
        return [(one.origin, *one.values.values()) for one in ledger.trials()[before:]]

    def test_a_conditional_space_takes_points_with_and_without_the_condition(self) -> None:
        space = toy_space(search=self.SEARCH, points=[{"model": {"encoder": "transformer", "heads": 8}}])
        ledger = self.ledger(space)
        warm = [{"model.encoder": "lstm"}, {"model.encoder": "transformer", "model.heads": 2}]
        assert self.begun(ledger, space, count=4, warm=warm) == [
            (Origin.RELEASED, "transformer", 4),
            (Origin.LISTED, "transformer", 8),
            (Origin.WARM_START, "lstm"),
            (Origin.WARM_START, "transformer", 2),
        ]

    def test_a_resumed_search_tries_new_points_and_no_old_ones(self) -> None:
        space = toy_space(search=self.SEARCH)
        ledger = self.ledger(space)
        self.begun(ledger, space, count=2)
        more = toy_space(search=self.SEARCH, points=[{"model.heads": 8}, {"model.heads": 4}])
        origins = [origin for origin, *_ in self.begun(ledger, more, count=3, warm=[{"model.heads": 2}])]
        assert origins == [Origin.LISTED, Origin.WARM_START, Origin.SAMPLER]
        assert self.begun(ledger, more, count=1)[0][0] is Origin.SAMPLER

    def test_a_base_that_breaks_a_constraint_is_not_tried(self) -> None:
        space = toy_space(search=self.SEARCH, constraints=["model.encoder == 'lstm'"])
        assert self.begun(self.ledger(space), space, count=1) == [(Origin.SAMPLER, "lstm")]

    def ledger(self, space: CheckedSpace) -> StudyLedger:
        storage = open_storage("memory:")
        return StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=99, at_s=0.0)


def test_a_grid_that_was_tried_whole_ends_the_search(tmp_path: Path) -> None:
    space = toy_space(search={"model": {"encoder": {"choice": ["gru", "lstm"]}}}, sampler={"name": "grid"}, trials=9)
    ledger = StudyLedger.create(open_storage("memory:"), name="g", space=space, facts=FACTS, limit=9, at_s=0.0)
    scheduler = make_scheduler(space.settings.scheduler, epochs=9)
    controller = SearchController(
        ledger=ledger, space=space, scheduler=scheduler, directory=tmp_path, observe=[].append
    )
    found = []
    while (task := controller.next_task()) is not None:
        found.append(ledger.trials()[task.number].values["model.encoder"])
    assert sorted(found) == ["gru", "lstm"]
    assert ledger.note(ENDED_BY) == "every point of the grid was tried"


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

    def test_it_ends_the_search(self, tmp_path: Path) -> None:
        settings = {"stop": {"improvement": 0.02}, "scheduler": {"name": "none"}, "sampler": {"startup_trials": 4}}
        space = toy_space(trials=99, **settings)
        ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=99, at_s=0.0)
        scheduler = make_scheduler(space.settings.scheduler, epochs=9)
        controller = SearchController(
            ledger=ledger, space=space, scheduler=scheduler, directory=tmp_path, observe=[].append
        )
        while (task := controller.next_task()) is not None:
            controller.reported(task.number, toy_report(9, 0.5))
            controller.finished(task.number, toy_outcome(9))
        assert 4 <= len(ledger.trials()) < 20
        assert str(ledger.note(ENDED_BY)).endswith("is still to gain, less than 0.02")
