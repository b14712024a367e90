"""What MLflow's pages show of a search, which is the value of the highest step, beside what the ledger has."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import TrialRecord, TrialState, best_trial
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.messages import TrialFailure
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.tracking.base import Point, RunStatus, Tracker
from hico_platform.tracking.best_score import BEST_STEP_TAG
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.tracking.metric_names import NAMES_TAG, grouped
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger
from tests.mlflow_store import mlflow_home
from tests.toy import FACTS, run_toy_task, toy_space

SPACE = toy_space(trials=9, scheduler={"name": "median", "grace_epochs": 3})


class Search:
    """A search whose trials end in a shuffled order; it can be cut off and begun again."""

    def __init__(self, folder: Path, tracker: Tracker) -> None:
        self.folder, self.tracker = folder, tracker
        self.ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=9, at_s=1.0)
        self.ticks = itertools.count(100)
        self.start()

    def start(self) -> None:
        self.logger = SearchLogger(
            ledger=self.ledger,
            space=SPACE,
            tracker=self.tracker,
            outbox=Outbox(first_wait_s=0.001),
            checkpoint=lambda recorded: self.folder / recorded,
        )
        self.controller = SearchController(
            ledger=self.ledger,
            space=SPACE,
            scheduler=make_scheduler(SPACE.settings.scheduler, epochs=9),
            directory=self.folder,
            observe=self.logger,
            clock=lambda: float(next(self.ticks)),
        )

    def work(self, count: int, *, end: int, seed: int | None = None) -> None:
        """Begins so many trials, of which some end, the last first or shuffled; the second of them fails."""
        tasks = [self.controller.next_task() for _ in range(count)][::-1]
        if seed is not None:
            random.Random(seed).shuffle(tasks)
        for index, task in enumerate(tasks[:end]):
            assert task is not None
            if index == 1:
                self.controller.failed(task.number, TrialFailure(reason="ValueError: no", traceback="Traceback"))
            else:
                run_toy_task(self.controller, task)

    def close(self, status: RunStatus = RunStatus.FINISHED) -> None:
        assert self.logger.close(status=status, patience_s=10) == 0
        assert self.logger.refused == 0

    def best(self) -> TrialRecord:
        best = best_trial(self.ledger.trials())
        assert best is not None
        return best


def shown_by_memory(tracker: MemoryTracker, run_id: str, metric: str) -> float:
    """The value of the highest step; among those of one step the last, as in MLflow."""
    return max((step, at_s, value) for step, value, at_s in tracker.kept[run_id].metrics[metric])[2]


@pytest.mark.slow
def test_what_mlflow_shows_is_what_the_ledger_has(tmp_path: Path) -> None:
    tracker = mlflow_home(tmp_path / "home")
    search = Search(tmp_path, tracker)
    search.work(7, end=4, seed=4)
    search.close(RunStatus.KILLED)
    search.start()
    search.work(5, end=5, seed=1)
    search.close()
    trials = search.ledger.trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED}
    ended = sorted(trials, key=lambda trial: trial.ending.at_s if trial.ending else 0.0)
    assert [trial.number for trial in ended] != sorted(trial.number for trial in trials)

    client = tracker._client
    parent = client.get_run(search.ledger.note("run")).data
    best = search.best()
    assert parent.metrics == {"val/best_knn_top1": best.value}
    assert parent.tags["hico.best_trial"] == str(best.number)
    assert parent.tags["hico.best_run"] == best.run_id
    history = client.get_metric_history(search.ledger.note("run"), "val/best_knn_top1")
    curve = sorted(history, key=lambda point: point.step)
    assert [point.step for point in curve] == [
        count for count, trial in enumerate(ended, start=1) if trial.state is TrialState.COMPLETE
    ]
    assert [point.value for point in curve] == sorted(point.value for point in curve)

    for trial in trials:
        shown = client.get_run(trial.run_id).data
        assert shown.tags["hico.state"] == str(trial.state)
        assert shown.tags.get("hico.reason") == (trial.ending and trial.ending.reason)
        assert shown.metrics.get("val/knn_top1") == trial.value
        assert {name: shown.metrics[grouped(name)] for name in trial.ending.metrics} == dict(trial.ending.metrics)
        losses = [loss for report in trial.reports for _, loss in report.history]
        assert shown.metrics.get("train/loss") == (losses[-1]["loss"] if losses else None)


def test_the_best_trial_is_tagged_while_the_search_runs(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    search = Search(tmp_path, tracker)
    search.work(5, end=5)
    before = search.best().number
    search.close(RunStatus.KILLED)
    search.start()
    search.work(4, end=4, seed=0)
    while search.logger._outbox.waiting:
        pass
    parent = tracker.kept[search.ledger.note("run")].run  # no end of the search yet, as after a kill
    assert parent.status is RunStatus.RUNNING
    assert search.best().number != before
    assert parent.tags["hico.best_trial"] == str(search.best().number)
    assert parent.tags["hico.best_run"] == search.best().run_id


@pytest.mark.parametrize(("still_to_run", "seed"), [(0, None), (3, 3)])
def test_the_last_point_of_a_run_that_has_points_by_trial_number_is_the_best(
    tmp_path: Path, still_to_run: int, seed: int | None
) -> None:
    tracker = MemoryTracker()
    search = Search(tmp_path, tracker)
    search.work(9 - still_to_run, end=9 - still_to_run, seed=seed)
    search.close()
    parent = tracker.kept[search.ledger.note("run")]
    for tag in (BEST_STEP_TAG, NAMES_TAG):
        del parent.run.tags[tag]  # type: ignore[attr-defined]
    parent.metrics.clear()
    complete = [trial for trial in search.ledger.trials() if trial.state is TrialState.COMPLETE]
    for trial in complete:  # as it was written before: the best at the time, by the number of the trial
        known = [one.value for one in complete if one.ending.at_s <= trial.ending.at_s]
        point = Point(epoch=trial.number, at_s=trial.ending.at_s, metrics={"best_knn_top1": max(known)})
        tracker.log_points(parent.run.run_id, [point])
    assert shown_by_memory(tracker, parent.run.run_id, "best_knn_top1") < search.best().value
    for _ in range(2):
        search.start()
        search.work(still_to_run, end=still_to_run, seed=2)
        search.close()
        assert shown_by_memory(tracker, parent.run.run_id, "best_knn_top1") == search.best().value
        assert BEST_STEP_TAG not in parent.run.tags
        still_to_run = 0


def test_a_point_that_was_lost_between_two_writes_is_written_by_the_next_driver_once(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    search = Search(tmp_path, tracker)
    search.work(9, end=9)
    search.close()
    history = tracker.kept[search.ledger.note("run")].metrics["val/best_knn_top1"]
    whole = list(history)
    del history[-1]
    for _ in range(2):
        search.start()
        search.close()
    assert sorted(history) == sorted(whole)
