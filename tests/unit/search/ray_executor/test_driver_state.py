"""Retries and excluded machines without a cluster: the test calls what Tune calls, in its order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.tune import PlacementGroupFactory
from ray.tune.search import Searcher

from hico_platform.errors import HicoError
from hico_platform.search.controller import SearchController
from hico_platform.search.execution_events import (
    ExecutionEvent,
    LossCause,
    WorkerAssigned,
    WorkerLost,
    WorkerProgressed,
)
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.notes import EXCLUDED_MACHINES
from hico_platform.search.ray_executor.cluster_nodes import ClusterNodes
from hico_platform.search.ray_executor.driver_state import DriverState
from hico_platform.search.ray_executor.report_scheduler import ReportScheduler
from hico_platform.search.ray_executor.task_searcher import TaskSearcher
from hico_platform.search.ray_executor.worker import MESSAGE
from hico_platform.search.ray_executor.worker_message import PAUSE, DiskFull, TaskPaused, WorkerMessage, WorkerProcess
from hico_platform.search.ray_executor.worker_monitor import WorkerMonitor
from hico_platform.search.requests import RequestKind, new_request
from hico_platform.search.resources import TrialResources
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.simulator import SimulatedClock
from hico_platform.search.task import TrialTask
from hico_platform.search.worker_timeouts import STARTUP_LIMIT_S, OverdueWorker, TaskAttempts
from tests.toy import FACTS, toy_outcome, toy_report, toy_space
from tests.unit.search.ray_executor.test_lost_worker import DIED, UNPLUGGED

KILLED = DIED + "The worker process has died."


class TuneTrial:
    """The part of Tune's trial that is used."""

    made = 0

    def __init__(self, task: TrialTask, file: Path) -> None:
        TuneTrial.made += 1
        self.trial_id = str(TuneTrial.made)
        self.config = {"task": task}
        self.error_file = str(file)
        self.placement: PlacementGroupFactory | None = None

    def update_resources(self, resources: PlacementGroupFactory) -> None:
        self.placement = resources


class TuneController:
    """The part of Tune's controller that is used, without any actors."""

    def __init__(self) -> None:
        self._trial_to_actor: dict[object, object] = {}
        self._actor_manager = SimpleNamespace(_live_actors_to_ray_actors_resources={})
        self._trials: list[object] = []
        self._stopped_trials: set[object] = set()
        self._failed_trials: set[object] = set()
        self._trials_to_cache: set[object] = set()


class NoMailbox:
    """A mailbox that nobody writes to."""

    def forget(self, key: str) -> None:
        pass


class Driver:
    """A driver's parts over a controller; Tune is played by the test."""

    def __init__(
        self, controller: SearchController, folder: Path, *, retries: int = 3, hosts: Sequence[str] = ("a",)
    ) -> None:
        self.controller, self.folder, self.hosts = controller, folder, list(hosts)
        self.monitor = WorkerMonitor(attempts=TaskAttempts(), mailbox=NoMailbox())
        self.answers: list[tuple[str, int, str]] = []
        self.observed: list[ExecutionEvent] = []
        self.state = DriverState(
            controller=controller,
            workers=self.monitor,
            answer=lambda *answer: self.answers.append(answer),
            hosts=lambda: {machine: f"host-{machine}" for machine in self.hosts},
            interrupted=threading.Event(),
            retries=retries,
            observe=self.observed.append,
        )
        self.scheduler = ReportScheduler(self.state, self.monitor, {"CPU": 1})
        nodes = ClusterNodes(TrialResources(cpus=1, gpus=0), may_grow=False)
        self.searcher = TaskSearcher(self.state, nodes=nodes, max_concurrent=2)

    def hand_out(self) -> TuneTrial | None:
        """What Tune does with the next task."""
        task = self.controller.next_task()
        if task is None:
            return None
        trial = TuneTrial(task, self.folder / f"error-{TuneTrial.made}.txt")
        self.scheduler.on_trial_add(TuneController(), trial)
        return trial

    def lose(self, trial: TuneTrial, text: str) -> None:
        """Its worker is gone."""
        with open(trial.error_file, "a") as file:
            file.write(f"Failure # 1 (occurred at 2026-01-01_00-00-00)\n{text}\n")
        self.scheduler.on_trial_error(TuneController(), trial)

    def send(
        self,
        trial: TuneTrial,
        content: EpochReport | TrialOutcome | TrialFailure | DiskFull | TaskPaused,
        *,
        machine: str = "a",
        warnings: Sequence[str] = (),
    ) -> str:
        """Its worker's message."""
        process = WorkerProcess(pid=1, host=f"host-{machine}", machine=machine, actor=f"actor-{trial.trial_id}")
        message = WorkerMessage(content=content, process=process, warnings=tuple(warnings))
        return self.scheduler.on_trial_result(TuneController(), trial, {MESSAGE: message})

    def report(self, trial: TuneTrial, epoch: int, *, machine: str = "a", warnings: Sequence[str] = ()) -> None:
        self.send(trial, toy_report(epoch, 0.1 * epoch), machine=machine, warnings=warnings)

    def fail(self, trial: TuneTrial, *, machine: str = "a", reason: str = "ValueError: no") -> None:
        """A trial raises: its worker says so, and ends."""
        self.send(trial, TrialFailure(reason=reason, traceback=""), machine=machine)
        self.lose(trial, "Traceback\nTrialFailedError: " + reason)


@pytest.fixture
def trials() -> int:
    return 1


@pytest.fixture
def controller(tmp_path: Path, trials: int) -> SearchController:
    space = toy_space(trials=trials, scheduler={"name": "none", "report_every": 1})
    return SearchController(
        ledger=MemoryLedger(name="toy", space=space, facts=FACTS, limit=trials, at_s=0.0),
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=lambda event: None,
    )


def test_what_workers_warn_of_is_passed_on_once(
    controller: SearchController, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Driver(controller, tmp_path)
    trial = driver.hand_out()
    driver.report(trial, 1, warnings=["slow", "late"])
    driver.report(trial, 3, warnings=["slow"])
    assert [record.getMessage() for record in caplog.records] == ["trial 0: slow", "trial 0: late"]
    assert [epoch for _, epoch, _ in driver.answers] == [1, 3]


def test_observers_hear_which_worker_has_a_task_and_how_it_was_lost(
    controller: SearchController, tmp_path: Path
) -> None:
    driver = Driver(controller, tmp_path, retries=1)
    driver.report(trial := driver.hand_out(), 1)
    driver.report(trial, 3)
    driver.lose(trial, KILLED)
    driver.lose(driver.hand_out(), KILLED)
    assert driver.observed == [
        WorkerAssigned(number=0, host="host-a", address="", pid=1),
        WorkerProgressed(number=0),
        WorkerProgressed(number=0),
        WorkerLost(number=0, cause=LossCause.WORKER_DIED, retried=True),
        WorkerLost(number=0, cause=LossCause.WORKER_DIED, retried=False),
    ]


@pytest.mark.parametrize(("silent", "cause"), [(True, LossCause.SILENT), (False, LossCause.OVERTIME)])
def test_observers_hear_why_a_worker_was_killed(
    controller: SearchController, tmp_path: Path, silent: bool, cause: LossCause
) -> None:
    driver = Driver(controller, tmp_path)
    trial = driver.hand_out()
    driver.state.will_kill(trial.trial_id, OverdueWorker(key=trial.trial_id, reason="slow", silent=silent), None)
    driver.lose(trial, KILLED)
    assert driver.observed == [WorkerLost(number=0, cause=cause, retried=True)]


def test_after_its_last_retry_a_trial_has_failed(controller: SearchController, tmp_path: Path) -> None:
    driver = Driver(controller, tmp_path, retries=1)
    first = driver.hand_out()
    driver.lose(first, KILLED)
    second = driver.hand_out()
    assert second.config == first.config
    driver.lose(second, KILLED)
    assert driver.hand_out() is None
    ended = controller._ledger.trials()[0]
    assert ended.state is TrialState.FAILED
    assert ended.ending is not None
    assert ended.ending.reason == "its process died: The worker process has died. (2 times)"


def test_one_lost_worker_that_comes_as_two_errors_counts_once(controller: SearchController, tmp_path: Path) -> None:
    driver = Driver(controller, tmp_path, retries=1)
    trial = driver.hand_out()
    driver.lose(trial, KILLED)
    driver.lose(trial, KILLED)
    assert driver.hand_out() is not None


def test_node_loss_does_not_count(controller: SearchController, tmp_path: Path) -> None:
    driver = Driver(controller, tmp_path, retries=0, hosts=["a", "b"])
    for _ in range(5):
        trial = driver.hand_out()
        assert trial is not None
        assert trial.placement is None, "no machine is avoided that is gone"
        driver.lose(trial, UNPLUGGED)
    driver.hosts = ["a"]
    driver.lose(driver.hand_out(), KILLED)
    assert driver.hand_out() is None


def test_one_that_is_over_is_not_handed_out_again(controller: SearchController, tmp_path: Path) -> None:
    driver = Driver(controller, tmp_path)
    trial = driver.hand_out()
    controller.failed(0, TrialFailure(reason="ValueError: no"))
    driver.lose(trial, KILLED)
    assert driver.hand_out() is None


def test_the_end_is_not_said_while_one_may_be_lost(controller: SearchController, tmp_path: Path) -> None:
    driver = Driver(controller, tmp_path)
    trial = driver.hand_out()
    assert driver.searcher.suggest("a") is None
    driver.lose(trial, KILLED)
    assert driver.searcher.suggest("b") == {"task": trial.config["task"]}
    controller.failed(0, TrialFailure(reason="ValueError: no"))
    assert driver.searcher.suggest("c") == Searcher.FINISHED


def test_a_trial_that_raises_has_failed_once_and_ends_its_worker(controller: SearchController, tmp_path: Path) -> None:
    driver = Driver(controller, tmp_path)
    trial = driver.hand_out()
    assert driver.send(trial, TrialFailure(reason="ValueError: no", traceback="")) == "CONTINUE"
    assert trial.trial_id in driver.monitor.attempts, "it may hang before it ends"
    driver.lose(trial, "Traceback\nTrialFailedError: ValueError: no")
    assert trial.trial_id not in driver.monitor.attempts
    assert controller._ledger.trials()[0].ending.reason == "ValueError: no"
    assert driver.hand_out() is None


def test_a_worker_that_was_killed_has_that_for_its_reason(
    controller: SearchController, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Driver(controller, tmp_path, retries=1)
    for _ in range(2):
        trial = driver.hand_out()
        key = trial.trial_id
        process = WorkerProcess(pid=7, host="here", machine="a", actor=key)
        driver.state.will_kill(
            key, OverdueWorker(key=key, reason="silent for 6 min (limit 5 min)", silent=True), process
        )
        driver.lose(trial, KILLED)
    why = "it was silent for 6 min (limit 5 min), and its worker on here (pid 7) was killed"
    assert [record.getMessage() for record in caplog.records] == [f"trial 0 is handed out again: {why}"]
    assert controller._ledger.trials()[0].ending.reason == f"{why} (2 times)"


def test_a_failed_trial_is_tried_on_another_machine_first(controller: SearchController, tmp_path: Path) -> None:
    driver = Driver(controller, tmp_path, hosts=["a", "b"])
    first = driver.hand_out()
    driver.fail(first, machine="a")
    second = driver.hand_out()
    assert second.config == first.config
    assert second.placement._kwargs == {"bundle_label_selector": [{"ray.io/node-id": "!in(a)"}]}
    assert not controller.failures_exceeded
    driver.fail(second, machine="b", reason="ValueError: again")
    assert driver.hand_out() is None
    assert controller._ledger.trials()[0].ending.reason == "ValueError: again"


def test_a_process_that_died_is_tried_on_another_machine_before_it_counts(
    controller: SearchController, tmp_path: Path
) -> None:
    driver = Driver(controller, tmp_path, hosts=["a", "b"], retries=0)
    first = driver.hand_out()
    driver.report(first, 1, machine="a")
    driver.lose(first, KILLED)
    second = driver.hand_out()
    assert second.placement is not None
    driver.report(second, 1, machine="b")
    driver.lose(second, KILLED)
    assert driver.hand_out() is None


def test_where_the_other_machine_went_away_a_trial_goes_back(controller: SearchController, tmp_path: Path) -> None:
    driver = Driver(controller, tmp_path, hosts=["a", "b"])
    driver.fail(driver.hand_out(), machine="a")
    waiting = driver.hand_out()
    assert not driver.state.may_now_run_anywhere(waiting.config["task"])
    driver.hosts = ["a"]
    assert driver.state.may_now_run_anywhere(waiting.config["task"])
    driver.scheduler.on_trial_remove(TuneController(), waiting)
    again = driver.hand_out()
    assert again.config == waiting.config
    assert again.placement is None


@pytest.mark.parametrize("trials", [5])
def test_a_machine_that_fails_trial_after_trial_is_left_out(
    controller: SearchController, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Driver(controller, tmp_path, hosts=["a", "b"])
    for number in range(3):
        driver.report(bad := driver.hand_out(), 1, machine="a")
        driver.fail(bad, machine="a", reason=f"OSError: {number}")
        driver.report(moved := driver.hand_out(), 3, machine="b")
        driver.send(moved, toy_outcome(9), machine="b")
    assert (
        "the machine host-a is excluded: 3 trials in a row (0, 1, 2) failed there and went on elsewhere, the last by: "
        "OSError: 2" in caplog.text
    )
    [noted] = controller._ledger.note(EXCLUDED_MACHINES)
    assert (noted["host"], noted["reason"], noted["trials"]) == ("host-a", "OSError: 2", [0, 1, 2])
    assert driver.hand_out().placement is not None
    driver.state.check_machines_left()
    driver.hosts = ["a"]
    with pytest.raises(HicoError, match="a machine on which trials go on, got 'OSError: 2'; mend the machine"):
        driver.state.check_machines_left()


def test_after_the_time_is_up_no_machine_is_waited_for(tmp_path: Path) -> None:
    space = toy_space(trials=1, stop={"hours": 1 / 60})
    clock = SimulatedClock()
    controller = SearchController(
        ledger=MemoryLedger(name="toy", space=space, facts=FACTS, limit=1, at_s=0.0),
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=lambda event: None,
        clock=clock,
    )
    driver = Driver(controller, tmp_path)
    waiting = driver.hand_out()
    assert not driver.state.waited_too_long(10_000.0)
    clock.now_s = 61.0
    assert not driver.state.waited_too_long(STARTUP_LIMIT_S)
    assert driver.state.waited_too_long(2.0)
    driver.scheduler.on_trial_remove(TuneController(), waiting)
    assert driver.searcher.suggest("a") == Searcher.FINISHED
    assert "no machine had room for it" in controller._ledger.trials()[0].ending.reason


def test_tune_that_ends_before_its_time_makes_no_finished_search(controller: SearchController, tmp_path: Path) -> None:
    driver = Driver(controller, tmp_path)
    trial = driver.hand_out()
    assert trial is not None
    with pytest.raises(HicoError, match=r"Ray Tune running until no task is left, got 'ended with 1 tasks running'"):
        driver.state.check_finished()
    driver.state.interrupted.set()
    with pytest.raises(KeyboardInterrupt):
        driver.state.check_finished()
    driver.report(trial, 9)
    driver.send(trial, toy_outcome(9))
    with pytest.raises(KeyboardInterrupt):  # nobody has said yet that no task is left
        driver.state.check_finished()
    assert driver.searcher.suggest("next") == Searcher.FINISHED
    driver.state.check_finished()


def test_a_paused_task_is_answered_so_and_handed_out_again_once_it_is_continued(
    controller: SearchController, tmp_path: Path
) -> None:
    driver = Driver(controller, tmp_path)
    answers: list[str] = []
    driver.state._answer = lambda key, epoch, answer: answers.append(answer)
    trial = driver.hand_out()
    assert trial is not None
    controller._ledger.record_request(new_request(RequestKind.PAUSE, trial=0))
    driver.report(trial, 1)  # a report looks at once
    assert answers == [PAUSE]
    assert controller._ledger.trials()[0].reports[0].decision == "continue", "the ledger has the scheduler's answer"
    driver.send(trial, TaskPaused())
    assert controller.tasks_running == 0
    driver.lose(trial, "TrialFailedError: paused")  # its worker ends
    assert driver.hand_out() is None
    assert driver.searcher.suggest("a") is None
    controller._ledger.record_request(new_request(RequestKind.CONTINUE, trial=0))
    controller.look(now=True)
    again = driver.hand_out()
    assert again is not None
    driver.send(again, toy_outcome(9))
    assert driver.searcher.suggest("a") == Searcher.FINISHED
