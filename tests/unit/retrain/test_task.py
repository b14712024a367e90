from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hico_platform.retrain.plan import Entry
from hico_platform.retrain.task import RetrainTask, run_retrain_task
from hico_platform.search.messages import TrialOutcome
from hico_platform.worker import run_task as worker
from tests.small import small_config

TRAINED = TrialOutcome(epoch=4, stopped_early=False, metrics={"knn_top1": 0.9}, checkpoint=Path("there"))


@pytest.mark.parametrize(
    ("entry", "epoch", "metrics"),
    [
        (Entry.RAW_POSE, 0, {"knn_top1": 0.25}),
        (Entry.UNTRAINED, 0, {"knn_top1": 0.5, "retrieval_map": 0.4}),
        (Entry.RELEASED, 4, {"knn_top1": 0.9}),
        (Entry.BEST, 4, {"knn_top1": 0.9}),
    ],
)
def test_only_the_released_settings_and_the_best_are_trained(
    entry: Entry, epoch: int, metrics: dict[str, float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data: Any = object()

    def check(task: RetrainTask, data_given: object) -> None:
        assert (task.entry, data_given) == (entry, data)

    def score(task: RetrainTask, *, data: object) -> float:
        check(task, data)
        return 0.25

    def scores(task: RetrainTask, report: object, *, data: object) -> dict[str, float]:
        check(task, data)
        return {"knn_top1": 0.5, "retrieval_map": 0.4}

    def train(task: RetrainTask, report: object, *, data: object) -> TrialOutcome:
        check(task, data)
        return TRAINED

    monkeypatch.setattr(worker, "raw_pose_score", score)
    monkeypatch.setattr(worker, "untrained_scores", scores)
    monkeypatch.setattr(worker, "run_task", train)
    task = RetrainTask(
        number=0, config=small_config(), directory=tmp_path, report_epochs=(), cpus=1, gpus=0, entry=entry
    )
    outcome = run_retrain_task(task, lambda report: pytest.fail("nothing is reported"), data=data)
    assert (outcome.epoch, outcome.metrics, outcome.stopped_early) == (epoch, metrics, False)
