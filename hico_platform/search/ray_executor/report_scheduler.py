"""Tune's scheduler over a :class:`~hico_platform.search.task_source.TaskSource`: it passes on what workers report."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from hico_platform.search.ray_executor.cluster import lost_process
from hico_platform.search.ray_executor.driver_state import DriverState
from hico_platform.search.ray_executor.ended_trials import drop_ended_trials
from hico_platform.search.ray_executor.lost_worker import last_error
from hico_platform.search.ray_executor.worker import MESSAGE
from hico_platform.search.ray_executor.worker_monitor import POLL_S, WorkerMonitor, actor_of, kill_worker, machine_of

from ray import tune  # isort: skip  (the cluster module sets what Ray reads at import)
from ray.tune.experiment import Trial  # isort: skip
from ray.tune.schedulers import FIFOScheduler, TrialScheduler  # isort: skip


class Interrupted(BaseException):
    """The driver was asked to stop, and workers have saved. No Exception: Tune would wait for the workers once more."""


class ClusterLost(BaseException):
    """The search's own cluster lost what it needs. No Exception: Tune would wait for workers that cannot be reached."""


class ReportScheduler(FIFOScheduler):  # type: ignore[misc]
    """Passes each message of a worker to the driver's state. A trial gets its answer from the mailbox, not from Tune.

    Args:
        state: shared with the searcher.
        monitor: which workers hang.
        bundle: what a trial holds, by Ray's names.
        save: asks workers to save, when the driver is interrupted.
        pause: asks the worker of an attempt to save and to end.
    """

    def __init__(
        self,
        state: DriverState,
        monitor: WorkerMonitor,
        bundle: Mapping[str, float],
        *,
        save: Callable[[], object] = lambda: None,
        pause: Callable[[str], object] = lambda key: None,
    ) -> None:
        super().__init__()
        self._state, self._monitor, self._bundle, self._save = state, monitor, bundle, save
        self._trials: dict[str, Trial] = {}
        self._pause = pause

    def __reduce__(self) -> tuple[type[FIFOScheduler], tuple[()]]:
        """Pickles nothing, as the state does."""
        return FIFOScheduler, ()

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A task was handed out: restricts it to the machines that it may run on, before Tune asks for resources."""
        drop_ended_trials(tune_controller)
        self._trials[trial.trial_id] = trial
        self._monitor.attempts.add(trial.trial_id)
        avoided = self._state.machines_avoided_by(trial.config["task"])
        if avoided:
            elsewhere = {"ray.io/node-id": f"!in({', '.join(sorted(avoided))})"}
            trial.update_resources(tune.PlacementGroupFactory([self._bundle], bundle_label_selector=[elsewhere]))

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The next trial in order. Tune calls this in each round, so interruptions and workers are checked here."""
        self._look_around(tune_controller)
        self._state.while_waiting = functools.partial(self._while_waiting, tune_controller)
        return super().choose_trial_to_run(tune_controller)

    def _look_around(self, tune_controller: Any) -> None:
        """What the driver does between the messages of workers."""
        self._state.controller.look()
        if self._state.interrupted.is_set() or self._state.controller.is_stopped:
            self._state.interrupted.set()
            self._save()
            raise Interrupted
        lost = lost_process()
        if lost is not None:
            raise ClusterLost(lost)
        if self._monitor.is_due():
            self._check_workers(tune_controller)
            self._pause_held(tune_controller)

    def _while_waiting(self, tune_controller: Any) -> None:
        """The same while Tune waits for a task; workers that end are let go, as Tune does in its own rounds alone."""
        self._look_around(tune_controller)
        tune_controller._actor_manager.next(timeout=0.1)

    def _pause_held(self, tune_controller: Any) -> None:
        """Takes tasks that are paused off their workers, those that still wait for one out of the line."""
        for key, trial in list(self._trials.items()):
            if not self._state.controller.is_held(trial.config["task"].number):
                continue
            if actor_of(tune_controller, trial) is None:
                tune_controller.stop_trial(trial)
            else:
                self._pause(key)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """A worker sent a message: first into the ledger, then the answer."""
        ended = self._state.receive(trial.trial_id, trial.config["task"], result[MESSAGE])
        return str(TrialScheduler.STOP if ended else TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """A worker was lost. Tune's trial has ended; the next that Tune asks for may be the same task."""
        self._trials.pop(trial.trial_id, None)
        machine = machine_of(tune_controller, trial)
        self._state.worker_lost(trial.trial_id, trial.config["task"], last_error(trial), machine=machine)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Drops Tune's statistics of every number of every result, which it keeps as long as it runs."""
        self._trials.pop(trial.trial_id, None)
        trial.run_metadata.metric_analysis.clear()
        trial.run_metadata.metric_n_steps.clear()

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Tune stopped a task that had no worker yet."""
        self._trials.pop(trial.trial_id, None)
        self._state.withdraw(trial.trial_id, trial.config["task"])

    def _check_workers(self, tune_controller: Any) -> None:
        """Kills workers that hang, and stops trials that wait in vain for a machine."""
        for overdue, actor in self._monitor.poll(tune_controller, list(self._trials.values())):
            process = self._monitor.process(overdue.key, actor)
            self._state.will_kill(overdue.key, overdue, process)
            kill_worker(actor, process)
        for trial, epochs_s in self._monitor.heartbeats(list(self._trials.values())):
            heard_of = self._monitor.process(trial.trial_id)
            if heard_of is not None:
                self._state.heard(trial.trial_id, trial.config["task"], heard_of, epochs_s=epochs_s)
        self._state.checked()
        self._state.check_machines_left()
        waited_too_long = self._state.waited_too_long(POLL_S)
        for trial in [trial for trial in self._trials.values() if actor_of(tune_controller, trial) is None]:
            if waited_too_long or self._state.may_now_run_anywhere(trial.config["task"]):
                tune_controller.stop_trial(trial)
