"""What the scheduler checks in each of Tune's rounds; its handling of messages is in test_driver_state."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from hico_platform.search.ray_executor import report_scheduler
from hico_platform.search.ray_executor.report_scheduler import ClusterLost, Interrupted, ReportScheduler
from hico_platform.search.worker_timeouts import OverdueWorker


class State:
    """The driver's state as far as the scheduler uses it."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()
        self.calls: list[tuple[object, ...]] = []
        self.too_long = False
        self.held: set[object] = set()
        self.controller = SimpleNamespace(
            look=lambda: self.calls.append(("look",)), is_stopped=False, is_held=lambda number: number in self.held
        )

    def will_kill(self, *what: object) -> None:
        self.calls.append(("will_kill", *what))

    def check_machines_left(self) -> None:
        self.calls.append(("check_machines_left",))

    def waited_too_long(self, elapsed_s: float) -> bool:
        return self.too_long

    def may_now_run_anywhere(self, task: object) -> bool:
        return False

    def heard(self, *what: object, epochs_s: tuple[float, ...]) -> None:
        self.calls.append(("heard", *what, epochs_s))

    def checked(self) -> None:
        self.calls.append(("checked",))


@pytest.fixture
def state() -> State:
    return State()


def scheduler(
    state: State, *, overdue: list | None = None, heard: list | None = None, save: object = lambda: None
) -> ReportScheduler:
    monitor = SimpleNamespace(
        is_due=lambda: True,
        poll=lambda controller, trials: overdue or [],
        process=lambda key, actor=None: "process",
        heartbeats=lambda trials: heard or [],
    )
    return ReportScheduler(state, monitor, {"CPU": 1}, save=save)


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    cluster = SimpleNamespace(lost=None, killed=[])
    monkeypatch.setattr(report_scheduler, "lost_process", lambda: cluster.lost)
    monkeypatch.setattr(report_scheduler, "kill_worker", lambda *worker: cluster.killed.append(worker))
    monkeypatch.setattr(report_scheduler, "actor_of", lambda controller, trial: trial.actor)
    return cluster


TUNE = SimpleNamespace(get_trials=list)


def test_an_interrupted_driver_has_its_workers_save_before_tune_ends(state: State) -> None:
    saved: list[str] = []
    state.interrupted.set()
    with pytest.raises(Interrupted):
        scheduler(state, save=lambda: saved.append("saved")).choose_trial_to_run(TUNE)
    assert saved == ["saved"]


def test_a_lost_cluster_ends_tune(state: State, cluster: SimpleNamespace) -> None:
    cluster.lost = "raylet died"
    with pytest.raises(ClusterLost, match="raylet died"):
        scheduler(state).choose_trial_to_run(TUNE)


def test_an_overdue_worker_is_killed_once_its_reason_is_noted(state: State, cluster: SimpleNamespace) -> None:
    overdue = OverdueWorker(key="a", reason="silent for 6 min", silent=True)
    scheduler(state, overdue=[(overdue, "actor")])._check_workers(TUNE)
    assert state.calls == [("will_kill", "a", overdue, "process"), ("checked",), ("check_machines_left",)]
    assert cluster.killed == [("actor", "process")]


def test_heartbeats_are_passed_on_with_the_worker_that_sent_them(state: State) -> None:
    trial = SimpleNamespace(trial_id="a", config={"task": "task"})
    scheduler(state, heard=[(trial, (2.0,))])._check_workers(TUNE)
    assert state.calls[0] == ("heard", "a", "task", "process", (2.0,))


def test_only_tasks_without_a_worker_are_stopped_when_they_have_waited_too_long(state: State) -> None:
    stopped: list[str] = []
    tune = SimpleNamespace(stop_trial=lambda trial: stopped.append(trial.trial_id))
    one = scheduler(state)
    for name, actor in (("waiting", None), ("running", "actor")):
        one._trials[name] = SimpleNamespace(trial_id=name, actor=actor, config={"task": None})
    one._check_workers(tune)
    assert stopped == []
    state.too_long = True
    one._check_workers(tune)
    assert stopped == ["waiting"]


def test_a_search_that_is_stopped_from_elsewhere_ends_as_by_ctrl_c(state: State, cluster: SimpleNamespace) -> None:
    saved: list[int] = []
    state.controller.is_stopped = True
    with pytest.raises(Interrupted):
        scheduler(state, save=lambda: saved.append(1)).choose_trial_to_run(TUNE)
    assert saved
    assert state.interrupted.is_set()


def test_paused_tasks_leave_their_workers_or_the_line(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[str] = []
    stopped: list[str] = []
    monkeypatch.setattr(report_scheduler, "actor_of", lambda controller, trial: trial.actor)
    one = ReportScheduler(state, SimpleNamespace(), {"CPU": 1}, pause=paused.append)
    for key, actor in (("runs", "actor"), ("waits", None), ("free", "actor")):
        task = SimpleNamespace(number=key)
        one._trials[key] = SimpleNamespace(trial_id=key, actor=actor, config={"task": task})
    state.held = {"runs", "waits"}
    one._pause_held(SimpleNamespace(stop_trial=lambda trial: stopped.append(trial.trial_id)))
    assert (paused, stopped) == (["runs"], ["waits"])
