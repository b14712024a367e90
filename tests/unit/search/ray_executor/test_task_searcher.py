from __future__ import annotations

from types import SimpleNamespace

from ray.tune.search import Searcher

from hico_platform.search.ray_executor.task_searcher import TaskSearcher


def searcher(*tasks: str, running: int = 0, max_concurrent: int | None = None) -> TaskSearcher:
    """Over a controller with these tasks left, on nodes that hold two trials."""
    left = list(tasks)
    controller = SimpleNamespace(
        tasks_running=running, is_waiting=False, next_task=lambda: left.pop(0) if left else None
    )
    nodes = SimpleNamespace(trials_at_once=lambda: 2, warn_if_none_fits=lambda: None)
    state = SimpleNamespace(controller=controller, no_task_left=False)
    return TaskSearcher(state, nodes=nodes, max_concurrent=max_concurrent)


def test_a_task_is_handed_out_while_the_cluster_has_room() -> None:
    assert searcher("first", running=1).suggest("a") == {"task": "first"}
    assert searcher("first", running=2).suggest("a") is None


def test_max_concurrent_counts_instead_of_the_nodes() -> None:
    assert searcher("first", running=1, max_concurrent=1).suggest("a") is None
    assert searcher("first", running=2, max_concurrent=3).suggest("a") == {"task": "first"}


def test_the_search_is_finished_only_when_no_running_task_can_be_lost() -> None:
    waiting = searcher(running=1)
    assert waiting.suggest("a") is None
    assert not waiting._state.no_task_left
    done = searcher()
    assert done.suggest("a") == Searcher.FINISHED
    assert done._state.no_task_left


def test_tune_is_kept_waiting_for_what_is_paused() -> None:
    waiting, looks = searcher(), []
    waiting._state.controller.is_waiting = True
    waiting._state.while_waiting = lambda: looks.append(1)
    assert waiting.suggest("a") is None
    assert not waiting._state.no_task_left
    assert looks, "Tune asks in a loop of its own, in which nothing else looks"
