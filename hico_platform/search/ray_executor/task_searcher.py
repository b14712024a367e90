"""Tune's searcher over a :class:`~hico_platform.search.task_source.TaskSource`."""

from __future__ import annotations

from typing import Any

from ray.tune.search import Searcher

from hico_platform.interruptions import reinstall_handlers
from hico_platform.search.ray_executor.cluster_nodes import ClusterNodes
from hico_platform.search.ray_executor.driver_state import DriverState


class TaskSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune the next task whenever the cluster has room for one.

    Args:
        state: shared with the scheduler.
        nodes: how many trials the cluster holds.
        max_concurrent: most tasks at once; by default as many as the nodes hold.
    """

    def __init__(self, state: DriverState, *, nodes: ClusterNodes, max_concurrent: int | None) -> None:
        super().__init__(metric=None, mode=None)
        self._state = state
        self._nodes, self._max_concurrent = nodes, max_concurrent

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next task; none while the cluster is full or a running task may still be lost; FINISHED after that."""
        reinstall_handlers()  # Tune has a handler of its own for SIGUSR1, by which it ends as if all were done
        self._nodes.warn_if_none_fits()
        if self._state.controller.tasks_running >= self._capacity():
            return None
        task = self._state.controller.next_task()
        if task is not None:
            return {"task": task}
        if self._state.controller.tasks_running:
            return None
        if self._state.controller.is_waiting:
            self._state.while_waiting()  # Tune asks again and again, and does nothing else
            return None
        self._state.no_task_left = True
        return str(Searcher.FINISHED)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Does nothing: the scheduler has recorded it."""

    def save(self, checkpoint_path: str) -> None:
        """Does nothing: the ledger remembers."""

    def restore(self, checkpoint_path: str) -> None:
        """Does nothing."""

    def _capacity(self) -> int:
        return self._nodes.trials_at_once() if self._max_concurrent is None else self._max_concurrent
