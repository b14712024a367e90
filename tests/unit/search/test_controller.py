from __future__ import annotations

import random
from pathlib import Path

import pytest

from hico_platform.config.space import CheckedSpace
from hico_platform.enums import Decision
from hico_platform.search.controller import SearchController
from hico_platform.search.events import Event, TrialBegan, TrialEnded, TrialReported
from hico_platform.search.ledger.base import Ledger, Origin, TrialState, best_trial
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.messages import EpochReport, TrialFailure
from hico_platform.search.notes import EXCLUDED_MACHINES, GPUS
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.simulator import SimulatedClock
from hico_platform.search.task import TrialTask
from tests.toy import FACTS, score, toy_outcome, toy_report, toy_space, toy_trial


def ledger_of(space: CheckedSpace) -> MemoryLedger:
    return MemoryLedger(name="toy", space=space, facts=FACTS, limit=space.settings.trials, at_s=0.0)


def make_controller(
    ledger: Ledger, space: CheckedSpace, folder: Path, events: list[Event] | None = None
) -> SearchController:
    return SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=space.base.budget.epochs),
        directory=folder,
        observe=(events if events is not None else []).append,
        clock=lambda: 1.0,
    )


def work(controller: SearchController, task: TrialTask) -> None:
    controller.finished(task.number, toy_trial(task, lambda report: controller.reported(task.number, report)))


def test_when_nothing_is_left(tmp_path: Path) -> None:
    space = toy_space(trials=2)
    ledger = ledger_of(space)
    controller = make_controller(ledger, space, tmp_path)
    assert not controller.is_over
    first, second = controller.next_task(), controller.next_task()
    assert first is not None
    assert second is not None
    work(controller, first)
    # The next driver finds one that was cut off, and the one after that nothing.
    controller = make_controller(ledger, space, tmp_path)
    assert not controller.is_over
    again = controller.next_task()
    assert again is not None
    work(controller, again)
    assert make_controller(ledger, space, tmp_path).is_over


def test_a_trial_that_was_cut_off_goes_on_with_what_it_began_with(tmp_path: Path) -> None:
    space = toy_space(trials=2)
    ledger = ledger_of(space)
    first = make_controller(ledger, space, tmp_path).next_task()
    assert first is not None
    wider = toy_space(
        trials=2,
        base={"model": {"hidden_width": 32}, "budget": {"epochs": 9}},
        search={**space.source["search"], "model.hidden_width": {"choice": [16, 32]}},
    )
    again = make_controller(ledger, wider, tmp_path).next_task()
    assert again is not None
    assert (again.number, again.config) == (0, first.config)
    assert again.key == first.key == f"{ledger.search.key}/0"


def test_checkpoints_are_recorded_by_their_place_among_the_trials(tmp_path: Path) -> None:
    space = toy_space(trials=1)
    ledger = ledger_of(space)
    controller = make_controller(ledger, space, tmp_path)
    task = controller.next_task()
    assert task is not None
    work(controller, task)
    (trial,) = ledger.trials()
    assert trial.ending is not None
    assert {trial.ending.checkpoint, *(str(report.checkpoint) for report in trial.reports)} == {"0000/state.json"}


def test_a_clock_that_was_set_back_reorders_no_trials(tmp_path: Path) -> None:
    space, clock = toy_space(trials=2), [100.0]
    ledger = ledger_of(space)
    controller = SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=lambda event: None,
        clock=lambda: clock[0],
    )
    for at_s in (100.0, 40.0):
        clock[0] = at_s
        task = controller.next_task()
        assert task is not None
        work(controller, task)
    ends = [trial.ending.at_s for trial in ledger.trials() if trial.ending is not None]
    assert ends == [100.0, 100.0]


def test_what_was_measured_is_held_and_noted(tmp_path: Path) -> None:
    space = toy_space(resources={"gpus": "auto"})
    ledger = ledger_of(space)
    controller = make_controller(ledger, space, tmp_path)
    controller.hold_gpus(0.25)
    task = controller.next_task()
    assert task is not None
    assert task.gpus == 0.25
    assert ledger.note(GPUS) == 0.25


def test_a_whole_search(tmp_path: Path) -> None:
    space = toy_space(trials=8)
    ledger, events = ledger_of(space), list[Event]()
    controller = make_controller(ledger, space, tmp_path, events)
    while task := controller.next_task():
        work(controller, task)
    trials = ledger.trials()
    assert len(trials) == 8
    assert trials[0].origin is Origin.RELEASED
    assert all(trial.state.is_final for trial in trials)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        assert trial.ending is not None
        assert trial.ending.metrics["recognition_top1"] > 0, "stopped or not, a trial is evaluated downstream"
        if trial.state is TrialState.PRUNED:
            assert trial.reports[-1].decision is Decision.STOP
            assert trial.epoch in (1, 3)
    kinds = [type(event) for event in events]
    assert kinds.count(TrialBegan) == kinds.count(TrialEnded) == 8
    assert kinds.count(TrialReported) == sum(len(trial.reports) for trial in trials)


def test_the_task(tmp_path: Path) -> None:
    space = toy_space(resources={"cpus": 2, "gpus": 0.5})
    task = make_controller(ledger_of(space), space, tmp_path).next_task()
    assert task is not None
    assert (task.number, task.cpus, task.gpus) == (0, 2.0, 0.5)
    assert task.directory == tmp_path / "0000"
    assert task.report_epochs == (1, 3, 9)
    assert task.config == space.base


def test_the_same_report_gets_the_same_answer(tmp_path: Path) -> None:
    space = toy_space()
    ledger, events = ledger_of(space), list[Event]()
    controller = make_controller(ledger, space, tmp_path, events)
    first, second = controller.next_task(), controller.next_task()
    assert first is not None
    assert second is not None
    assert controller.reported(0, toy_report(1, 0.5)) is Decision.CONTINUE
    assert controller.reported(1, toy_report(1, 0.4)) is Decision.STOP
    assert controller.reported(1, toy_report(1, 0.9)) is Decision.STOP
    assert sum(isinstance(event, TrialReported) for event in events) == 2
    again = make_controller(ledger, space, tmp_path)
    assert again.next_task() is not None
    assert again.reported(1, toy_report(1, 0.9)) is Decision.STOP


def test_epochs_that_were_told_before_are_not_told_again(tmp_path: Path) -> None:
    space = toy_space()
    ledger = ledger_of(space)
    controller = make_controller(ledger, space, tmp_path)
    assert controller.next_task() is not None
    losses = [(epoch, {"loss": 1.0}) for epoch in (1, 2, 3)]
    controller.reported(0, toy_report(1, history=losses[:1]))
    controller.reported(0, toy_report(3, history=losses))
    assert [epoch for report in ledger.trials()[0].reports for epoch, _ in report.history] == [1, 2, 3]


def test_unfinished_trials_come_first_then_the_rest(tmp_path: Path) -> None:
    space = toy_space(trials=4)
    ledger = ledger_of(space)
    controller = make_controller(ledger, space, tmp_path)
    begun = [controller.next_task() for _ in range(3)]
    assert begun[1] is not None
    work(controller, begun[1])
    again = make_controller(ledger, space, tmp_path)
    numbers = []
    while task := again.next_task():
        numbers.append(task.number)
        work(again, task)
    assert numbers == [0, 2, 3]
    assert all(trial.state.is_final for trial in ledger.trials())


def test_a_failed_trial_does_not_end_the_search_but_too_many_do(tmp_path: Path) -> None:
    space = toy_space(trials=6, resources={"cpus": 1, "max_failures": 1})
    ledger = ledger_of(space)
    controller = make_controller(ledger, space, tmp_path)
    for number in range(2):
        assert not controller.failures_exceeded
        task = controller.next_task()
        assert task is not None
        controller.failed(number, TrialFailure(reason="ValueError: no", traceback="Traceback ..."))
        controller.failed(number, TrialFailure(reason="twice"))
    assert controller.failures_exceeded
    assert controller.next_task() is None
    ending = ledger.trials()[0].ending
    assert ending is not None
    assert (ending.state, ending.reason, ending.traceback) == (TrialState.FAILED, "ValueError: no", "Traceback ...")
    assert controller.tasks_running == 0


def test_a_configuration_that_rules_refuse_is_a_failed_trial(tmp_path: Path) -> None:
    space = toy_space(trials=2)
    ledger = ledger_of(space)
    controller = make_controller(ledger, space, tmp_path)
    ledger._queue[0] = ({"contrast.temperature": -1.0, "model.encoder": "gru"}, Origin.LISTED)
    task = controller.next_task()
    assert task is not None
    assert task.number == 1
    ending = ledger.trials()[0].ending
    assert ending is not None
    assert "contrast.temperature: expected above 0, got -1.0" in str(ending.reason)


def test_the_ledger_alone_keeps_the_configuration_of_a_trial_that_has_ended(tmp_path: Path) -> None:
    space = toy_space(trials=2)
    ledger = ledger_of(space)
    controller = make_controller(ledger, space, tmp_path)
    assert controller.next_task() is not None
    assert controller._trials[0].config is not None
    controller.failed(0, TrialFailure(reason="no"))
    assert controller._trials[0].config is None
    assert ledger.trials()[0].config is not None


@pytest.mark.parametrize("cut", [1, 4, 7, 11])
def test_a_search_that_was_cut_off_ends_as_the_uninterrupted_one(tmp_path: Path, cut: int) -> None:
    def search(folder: Path, *, reports_until_cut: int | None) -> list[object]:
        space = toy_space(trials=6)
        ledger = ledger_of(space)
        controller = make_controller(ledger, space, folder)
        delivered = 0

        class Cut(Exception):
            pass

        def deliver(report: EpochReport) -> Decision:
            nonlocal delivered
            delivered += 1
            if delivered == reports_until_cut:
                raise Cut
            return controller.reported(task.number, report)

        while task := controller.next_task():
            try:
                outcome = toy_trial(task, deliver)
            except Cut:
                controller = make_controller(ledger, space, folder)
                continue
            controller.finished(task.number, outcome)
        return [(trial.values, trial.curve, trial.state) for trial in ledger.trials()]

    assert search(tmp_path / "a", reports_until_cut=cut) == search(tmp_path / "b", reports_until_cut=None)


@pytest.mark.parametrize(
    ("name", "objectives"),
    [
        *((name, ["knn_top1"]) for name in ("asha", "hyperband", "median", "none")),
        *((name, ["knn_top1", "parameters"]) for name in ("asha", "hyperband", "none")),
    ],
)
def test_a_driver_that_knows_the_study_alone_decides_as_one_that_saw_it_grow(name: str, objectives: list[str]) -> None:
    space = toy_space(
        trials=12,
        scheduler={"name": name, "grace_epochs": 1, "report_every": 1},
        objectives=objectives,
        sampler={"name": "nsga2" if len(objectives) > 1 else "tpe"},
    )

    def decisions(*, new_driver_for_every_report: bool) -> dict[tuple[int, int], Decision]:
        """Twelve trials at once that report in an order drawn by chance."""
        storage = open_storage("memory:")
        ledger = StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=12, at_s=0.0)
        draw, answers = random.Random(5), dict[tuple[int, int], Decision]()
        controller = make_controller(ledger, space, Path("toy"))
        tasks = [controller.next_task() for _ in range(12)]
        waiting = {task.number: list(task.report_epochs) for task in tasks if task is not None}
        while any(waiting.values()):
            number = draw.choice([number for number, epochs in waiting.items() if epochs])
            epoch = waiting[number].pop(0)
            if new_driver_for_every_report:
                controller = make_controller(StudyLedger.open(storage, name="toy"), space, Path("toy"))
                for _ in waiting:
                    controller.next_task()
            metrics = {"knn_top1": draw.random(), "parameters": float(number % 4)}
            report = EpochReport(epoch=epoch, metrics=metrics, history=(), checkpoint=Path("c"))
            answer = controller.reported(number, report)
            answers[number, epoch] = answer
            if answer is Decision.STOP or not waiting[number]:
                controller.finished(number, toy_outcome(epoch, stopped_early=epoch < 9))
                del waiting[number]
        stopped = sum(trial.state is TrialState.PRUNED for trial in ledger.trials())
        assert stopped == sum(answer is Decision.STOP for answer in answers.values())
        assert (stopped > 0) == (name != "none")
        return answers

    assert decisions(new_driver_for_every_report=True) == decisions(new_driver_for_every_report=False)


def test_the_toy_is_best_at_its_optimum() -> None:
    assert score(0.1, 9) > score(0.2, 9) > score(0.4, 9)


def up_at_10_s(tmp_path: Path, *, trials: int = 2) -> tuple[SearchController, SimulatedClock]:
    """A search whose time is up 10 s after it began, and whose trials are validated at every epoch."""
    space = toy_space(
        trials=trials,
        stop={"hours": 10 / 3600},
        scheduler={"name": "none", "report_every": 1},
        resources={"max_failures": 0},
    )
    clock = SimulatedClock()
    controller = SearchController(
        ledger=ledger_of(space),
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=lambda event: None,
        clock=clock,
    )
    return controller, clock


def test_before_the_time_is_up_a_lost_trial_is_the_next(tmp_path: Path) -> None:
    controller, _ = up_at_10_s(tmp_path)
    first, _ = controller.next_task(), controller.next_task()
    controller.lost(0, reason="it was silent")
    assert controller.next_task() == first


def test_a_trial_lost_after_the_time_was_up_ends_at_its_last_report(tmp_path: Path) -> None:
    controller, clock = up_at_10_s(tmp_path, trials=3)
    for _ in range(3):
        controller.next_task()
    controller.reported(0, toy_report(4))
    controller.reported(1, toy_report(9))
    clock.now_s = 11.0
    for number in range(3):
        controller.lost(number, reason="it was silent")
        controller.lost(number, reason="it was silent")
    assert controller.next_task() is None
    assert controller.is_over
    pruned, complete, failed = controller._ledger.trials()
    assert [trial.state for trial in (pruned, complete, failed)] == [
        TrialState.PRUNED,
        TrialState.COMPLETE,
        TrialState.FAILED,
    ]
    assert pruned.ending is not None
    assert (pruned.ending.epoch, pruned.ending.checkpoint) == (4, "at 4")
    why = "cut off after the time was up, not evaluated downstream: it was silent"
    assert {trial.ending.reason for trial in (pruned, complete, failed) if trial.ending} == {why}
    assert not controller.failures_exceeded, "that is nobody's failure"
    again = SearchController(
        ledger=controller._ledger,
        space=controller._space,
        scheduler=controller._scheduler,
        directory=tmp_path,
        observe=lambda event: None,
        clock=clock,
    )
    assert not again.failures_exceeded, "nor is it when the search is resumed"


def test_machines_left_out_are_noted_for_this_driver(tmp_path: Path) -> None:
    space = toy_space()
    ledger = ledger_of(space)
    make_controller(ledger, space, tmp_path).machine_excluded(host="node7", reason="OSError: no", trials=(1, 2, 4))
    assert ledger.note(EXCLUDED_MACHINES) == [
        {"host": "node7", "reason": "OSError: no", "trials": [1, 2, 4], "at_s": 1.0}
    ]
    make_controller(ledger, space, tmp_path)
    assert ledger.note(EXCLUDED_MACHINES) == []


def test_a_search_goes_by_its_signal_and_the_ledger_keeps_the_noise(tmp_path: Path) -> None:
    space = toy_space(objectives=["map"])
    ledger = ledger_of(space)
    controller = make_controller(ledger, space, tmp_path)
    for number, (knn, precision) in enumerate([(0.2, 0.5), (0.9, 0.3)]):
        assert controller.next_task() is not None
        report = EpochReport(
            epoch=1,
            metrics={"knn_top1": knn, "retrieval_map": precision},
            history=(),
            checkpoint=Path("c"),
            standard_errors={"knn_top1": 0.01, "retrieval_map": 0.02},
        )
        assert controller.reported(number, report) is (Decision.STOP if number else Decision.CONTINUE)
    first, second = ledger.trials()
    assert (first.value, first.standard_error, second.value) == (0.5, 0.02, 0.3)
    assert first.reports[0].standard_errors == {"knn_top1": 0.01, "retrieval_map": 0.02}
    best = best_trial(ledger.trials())
    assert best is not None
    assert best.number == 0
