"""What people ask of a search while it runs, obeyed by its controller without a cluster."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest

from hico_platform.config.space_settings import MOST_TRIALS
from hico_platform.enums import Decision
from hico_platform.search.controller import SearchController
from hico_platform.search.drivers import this_driver
from hico_platform.search.ledger.base import Origin, TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.notes import LIMIT_BEFORE, PAUSED
from hico_platform.search.requests import Request, RequestKind, new_request
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.stopping import busy_s
from tests.toy import FACTS, run_toy_task, toy_outcome, toy_report, toy_space

SPACE = toy_space(trials=3, scheduler={"name": "none", "report_every": 1})


class Search:
    """A search in memory and its controller; ``ask`` is what a command does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=3, at_s=0.0)
        self.limits: list[int] = []
        self.begin()

    def begin(self) -> SearchController:
        """A driver, the first or the next."""
        self.controller = SearchController(
            ledger=self.ledger,
            space=SPACE,
            scheduler=make_scheduler(SPACE.settings.scheduler, epochs=9),
            directory=self.folder,
            observe=lambda event: None,
            on_extended=lambda: self.limits.append(self.ledger.search.limit),
        )
        return self.controller

    def ask(self, kind: RequestKind, trial: int | None = None, **more: object) -> Request:
        request = new_request(kind, trial=trial, **more)
        self.ledger.record_request(request)
        self.controller.look(now=True)
        return next(one for one in self.ledger.requests() if one.key == request.key)


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


def says(request: Request) -> tuple[bool, str]:
    assert request.answer is not None
    return request.answer.obeyed, request.answer.says


def test_a_trial_ends_at_its_next_report_and_is_evaluated(search: Search) -> None:
    task = search.controller.next_task()
    assert search.controller.reported(task.number, toy_report(1)) is Decision.CONTINUE
    assert says(search.ask(RequestKind.STOP, task.number)) == (True, "it ends at its next report")
    assert search.controller.reported(task.number, toy_report(2)) is Decision.STOP
    search.controller.finished(task.number, toy_outcome(2, stopped_early=True))
    assert search.ledger.trials()[0].state is TrialState.PRUNED
    assert says(search.ask(RequestKind.STOP, task.number)) == (False, "trial 0 has ended")
    assert says(search.ask(RequestKind.STOP, 7)) == (False, "there is no trial 7")


def test_a_paused_trial_gives_its_place_to_others_and_goes_on_later(search: Search) -> None:
    first, second = search.controller.next_task(), search.controller.next_task()
    assert says(search.ask(RequestKind.PAUSE, first.number)) == (True, "it waits until it is continued")
    assert search.controller.is_held(first.number)
    assert not search.controller.is_held(second.number)
    search.controller.paused(first.number)
    assert search.ledger.note(PAUSED) == {"search": False, "trials": [0]}
    third = search.controller.next_task()
    assert third.number == 2
    for task in (second, third):
        run_toy_task(search.controller, task)
    assert search.controller.next_task() is None
    assert search.controller.is_waiting, "the paused trial is left"
    assert not search.controller.is_over
    search.ask(RequestKind.CONTINUE, first.number)
    again = search.controller.next_task()
    assert again.number == first.number
    run_toy_task(search.controller, again)
    assert search.controller.next_task() is None
    assert not search.controller.is_waiting
    assert search.controller.is_over


def test_a_paused_search_begins_nothing(search: Search) -> None:
    task = search.controller.next_task()
    assert says(search.ask(RequestKind.PAUSE)) == (True, "no trial runs until it is continued")
    assert search.controller.is_held(task.number)
    search.controller.paused(task.number)
    assert search.controller.next_task() is None
    assert search.controller.is_waiting
    search.ask(RequestKind.CONTINUE)
    assert search.controller.next_task().number == task.number
    assert search.ledger.note(PAUSED) == {"search": False, "trials": []}


def test_what_is_paused_is_not_waited_for_once_the_time_is_up(tmp_path: Path) -> None:
    space = toy_space(trials=3, stop={"hours": 1})
    now = [0.0]
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=3, at_s=0.0)
    controller = SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=lambda event: None,
        clock=lambda: now[0],
    )
    task = controller.next_task()
    ledger.record_request(new_request(RequestKind.PAUSE))
    controller.look(now=True)
    controller.paused(task.number)
    assert controller.is_waiting
    now[0] = 3601.0
    assert not controller.is_waiting
    assert controller.next_task().number == task.number, "it ends at its next report"


def test_a_night_in_which_a_trial_is_paused_uses_up_no_gpu_hours(tmp_path: Path) -> None:
    space = toy_space(trials=1, stop={"gpu_hours": 1}, resources={"cpus": 1, "gpus": 1})
    now = [0.0]
    ledger = MemoryLedger(name="toy", space=space, facts=FACTS, limit=1, at_s=0.0)
    scheduler = make_scheduler(space.settings.scheduler, epochs=9)

    def driver() -> SearchController:
        return SearchController(
            ledger=ledger, space=space, scheduler=scheduler, directory=tmp_path, observe=lambda event: None,
            clock=lambda: now[0],
        )  # fmt: skip

    controller = driver()
    task = controller.next_task()
    now[0] = 600.0
    ledger.record_request(new_request(RequestKind.PAUSE, trial=0))
    controller.look(now=True)
    controller.paused(task.number)
    now[0] = 40_000.0
    assert not controller.time_is_up
    assert busy_s(ledger.trials()[0], now_s=now[0], sessions=[0.0]) == 600.0
    controller = driver()  # the pause is over when it is handed out again, by whichever driver
    now[0] = 50_000.0
    ledger.record_request(new_request(RequestKind.CONTINUE, trial=0))
    controller.look(now=True)
    assert controller.next_task().number == 0
    now[0] = 50_100.0
    assert not controller.time_is_up
    assert busy_s(ledger.trials()[0], now_s=now[0], sessions=[0.0]) == 700.0
    now[0] = 53_100.0
    assert controller.time_is_up


def test_the_next_driver_goes_on_with_trials_that_are_paused_and_takes_a_paused_search_up(search: Search) -> None:
    first, second = search.controller.next_task(), search.controller.next_task()
    search.ask(RequestKind.PAUSE, first.number)
    search.ask(RequestKind.PAUSE)
    controller = search.begin()
    assert controller.is_held(first.number)
    assert not controller.is_held(second.number), "who resumes a search wants it to run"
    assert controller.next_task().number == second.number


def test_a_stop_is_for_the_driver_that_runs(search: Search) -> None:
    assert not search.controller.is_stopped
    search.ledger.record_request(dataclasses.replace(new_request(RequestKind.STOP), at_s=5.0))
    search.ledger.record_driver(this_driver(command="search", at_s=10.0))
    controller = search.begin()
    assert not controller.is_stopped
    assert says(search.ledger.requests()[0]) == (False, "it was asked before this driver began")
    assert says(search.ask(RequestKind.STOP)) == (True, "the search stops")
    assert search.controller.is_stopped


def test_a_point_is_one_trial_more_and_comes_next(search: Search) -> None:
    values = {"contrast.temperature": 0.07, "model.encoder": "lstm"}
    assert says(search.ask(RequestKind.ADD, values=values)) == (True, "it is next in line")
    assert search.ledger.search.limit == 4
    assert search.limits == [4]
    numbers = [search.controller.next_task().number for _ in range(4)]
    trials = {trial.number: trial for trial in search.ledger.trials()}
    added = [trials[number] for number in numbers if trials[number].origin is Origin.ADDED]
    assert [dict(trial.values) for trial in added] == [values]
    again = search.ask(RequestKind.ADD, values=values)
    assert says(again) == (False, f"trial {added[0].number} has these values")


def test_the_limit_is_raised_once_however_often_it_is_obeyed(search: Search) -> None:
    request = search.ask(RequestKind.EXTEND, count=4)
    assert (says(request), search.ledger.search.limit) == ((True, "7 trials now"), 7)
    unanswered = dataclasses.replace(request, answer=None)  # a kill came before the answer was written
    search.ledger.record_request(unanswered)
    search.controller.look(now=True)
    assert search.ledger.search.limit == 7
    assert search.ledger.note(LIMIT_BEFORE)["limit"] == 3


def test_a_finished_search_that_is_extended_goes_on_with_its_next_driver(search: Search) -> None:
    while task := search.controller.next_task():
        run_toy_task(search.controller, task)
    assert search.controller.is_over
    search.ledger.record_request(new_request(RequestKind.EXTEND, count=1))
    controller = search.begin()
    assert not controller.is_over
    assert controller.next_task().number == 3


def test_a_higher_priority_begins_first(search: Search) -> None:
    for temperature in (0.11, 0.12):
        search.ask(RequestKind.ADD, values={"contrast.temperature": temperature})
    last = search.ledger.waiting()[-1]
    assert says(search.ask(RequestKind.PRIORITY, last, count=5)) == (True, "noted")
    task = search.controller.next_task()
    assert task.config.contrast.temperature == pytest.approx(0.12)
    other = search.controller.next_task()
    search.ask(RequestKind.PRIORITY, other.number, count=9)
    for one in (task, other):
        search.controller.lost(one.number, reason="its machine")
    assert search.controller.next_task().number == other.number


def test_a_database_that_is_away_for_a_moment_ends_no_search(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise ConnectionError("server closed the connection")

    with monkeypatch.context() as patched:
        patched.setattr(search.ledger, "requests", away)
        search.controller.look(now=True)
    assert says(search.ask(RequestKind.EXTEND, count=1)) == (True, "4 trials now")


@pytest.mark.parametrize("step", ["enqueue", "set_note", "reopen", "record_answer"])
def test_a_database_that_goes_away_while_a_request_is_obeyed_ends_no_search(
    search: Search, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def away(*given: object, **named: object) -> None:
        raise ConnectionError("server closed the connection")

    request = new_request(RequestKind.ADD, values={"contrast.temperature": 0.07, "model.encoder": "lstm"})
    search.ledger.record_request(request)
    with monkeypatch.context() as patched:
        patched.setattr(search.ledger, step, away)
        search.controller.look(now=True)
    assert search.ledger.requests()[0].answer is None
    search.controller.look(now=True)
    assert says(search.ledger.requests()[0]) == (True, "it is next in line")
    assert search.ledger.search.limit == 4


def test_a_trial_that_was_continued_with_the_whole_search_stays_so_for_the_next_driver(search: Search) -> None:
    first = search.controller.next_task()
    search.ask(RequestKind.PAUSE, first.number)
    search.controller.paused(first.number)
    search.ask(RequestKind.CONTINUE)
    assert not search.controller.is_held(first.number)
    controller = search.begin()
    assert not controller.is_held(first.number)
    assert search.ledger.note(PAUSED) == {"search": False, "trials": []}


def test_a_trial_of_a_paused_search_is_not_said_to_run_again(search: Search) -> None:
    task = search.controller.next_task()
    search.ask(RequestKind.PAUSE)
    answer = says(search.ask(RequestKind.CONTINUE, task.number))
    assert search.controller.is_held(task.number)
    assert answer == (True, "it runs again once the search is continued, which is paused")


def test_a_point_that_a_changed_space_no_longer_has_is_refused_and_ends_no_driver(search: Search) -> None:
    for values, reason in [
        ({"contrast.temperature": 0.9}, "a value of contrast.temperature that is searched"),
        ({"contrast.momentum": 0.9}, "fields that the search varies"),
        ({"contrast.temperature": "warm"}, "number"),
        ({"contrast.temperature": [0.1]}, "number"),
        ({}, "it has no value"),
    ]:
        obeyed, why = says(search.ask(RequestKind.ADD, values=values))
        assert not obeyed, values
        assert reason in why
    assert search.ledger.search.limit == 3
    assert search.ledger.waiting() == (0,), "the base alone"


def test_no_request_makes_a_search_that_nobody_can_read(search: Search) -> None:
    for count in (10**20, MOST_TRIALS - 2):
        assert says(search.ask(RequestKind.EXTEND, count=count)) == (False, "a search has at most 1,000,000 trials")
    assert search.ledger.search.limit == 3
    assert says(search.ask(RequestKind.EXTEND, count=MOST_TRIALS - 3)) == (True, "1000000 trials now")


@pytest.mark.parametrize("count", [0, -2])
def test_no_request_lowers_the_limit(search: Search, count: int) -> None:
    assert says(search.ask(RequestKind.EXTEND, count=count)) == (False, "it asks for no trial more")
    assert search.ledger.search.limit == 3


def test_a_limit_is_raised_once_whatever_is_asked_between_a_kill_and_the_next_driver(search: Search) -> None:
    killed = dataclasses.replace(new_request(RequestKind.EXTEND, count=2), key="5")
    search.ledger.record_request(killed)
    search.controller.look(now=True)
    search.ledger.record_request(killed)  # a kill came before the answer was written
    search.ledger.record_request(dataclasses.replace(new_request(RequestKind.EXTEND, count=1), key="4"))  # a slow clock
    search.begin()
    assert search.ledger.search.limit == 3 + 2 + 1


def test_a_point_that_was_taken_up_before_a_kill_still_raises_the_limit(search: Search) -> None:
    """The driver was killed after it enqueued the point, before it raised the limit and answered."""
    values = {"contrast.temperature": 0.07, "model.encoder": "lstm"}
    request = search.ask(RequestKind.ADD, values=values)
    assert search.ledger.search.limit == 4
    numbers = [search.controller.next_task().number for _ in range(4)]
    assert len(set(numbers)) == 4
    search.ledger.record_request(dataclasses.replace(request, answer=None))
    search.begin()
    assert search.ledger.search.limit == 4
    assert says(next(one for one in search.ledger.requests() if one.key == request.key))[0]


@pytest.mark.parametrize("step", ["enqueue", "set_note", "reopen", "record_answer"])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_moment_of_an_added_point_makes_one_trial_more(
    search: Search, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    class Killed(BaseException):
        pass

    whole = getattr(search.ledger, step)

    def killed(*given: object, **named: object) -> None:
        if after:
            whole(*given, **named)
        raise Killed

    values = {"contrast.temperature": 0.07, "model.encoder": "lstm"}
    with monkeypatch.context() as patched:
        patched.setattr(search.ledger, step, killed)
        with pytest.raises(Killed):
            search.ask(RequestKind.ADD, values=values)
    controller = search.begin()
    assert search.ledger.search.limit == 4
    while task := controller.next_task():
        run_toy_task(controller, task)
    trials = search.ledger.trials()
    assert len(trials) == 4
    assert [dict(trial.values) for trial in trials if trial.origin is Origin.ADDED] == [values]
    assert [says(request) for request in search.ledger.requests()] == [(True, "it is next in line")]


def test_what_was_obeyed_is_information_and_what_was_refused_a_warning(
    search: Search, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="hico_platform.search.steering")
    search.ask(RequestKind.EXTEND, count=2)
    search.ask(RequestKind.STOP, 7)
    said = [(record.levelname, record.getMessage().partition(" asked: ")[2]) for record in caplog.records]
    assert [(level, text.rpartition(": ")[2]) for level, text in said] == [
        ("INFO", "5 trials now"), ("WARNING", "there is no trial 7"),
    ]  # fmt: skip
