from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hico_platform.enums import Decision
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import Ending, TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.notes import ENDED_BY
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.stop_rules import StopRules
from tests.toy import FACTS, toy_outcome, toy_report, toy_space


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


def test_hours_do_not_pass_when_the_clock_is_set_forward(tmp_path: Path) -> None:
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


def test_it_ends_the_search(tmp_path: Path) -> None:
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


def test_hours_of_a_trial_that_has_ended_are_worked_out_once(tmp_path: Path) -> None:
    space = toy_space(trials=9, resources={"cpus": 1, "gpus": 1}, stop={"gpu_hours": 3})
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=9, at_s=0.0)
    clock = Clock()
    rules = StopRules(ledger, space, clock=clock, timer=None)
    ledger.begin(space, at_s=0.0)
    ledger.record_ending(0, Ending(state=TrialState.COMPLETE, epoch=9, at_s=3600.0))
    at_work = ledger.begin(space, at_s=3600.0)
    clock.now_s = 2 * 3600.0
    assert rules.time_is_up(ledger.trials(), gpus=1.0) is None
    changed = dataclasses.replace(ledger.trials()[0], began_at_s=-1e6)
    assert rules.time_is_up([changed, at_work], gpus=1.0) is None
    clock.now_s = 3 * 3600.0
    assert rules.time_is_up([changed, at_work], gpus=1.0) == "3 GPU-hours are spent"
