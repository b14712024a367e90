from __future__ import annotations

import math
from pathlib import Path

from hico_platform.retrain.comparison import Comparison
from hico_platform.retrain.logging import RetrainLogger
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import RunResult, Spread
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.memory import MemoryTracker
from tests.small import small_config

PLAN = make_plan(small_config(budget__epochs=4), seeds=1, epochs=None, facts={})
RUN = PLAN.runs[0]


def opened(tracker: MemoryTracker) -> RetrainLogger:
    logger = RetrainLogger(tracker, experiment="x", key="x/final/1", tags={"hico.search": "x"}, config=RUN.config)
    logger.open(at_s=1)
    return logger


def test_folders_lie_with_the_parent_run(tmp_path: Path) -> None:
    tracker, folder = MemoryTracker(), tmp_path / "environment"
    folder.mkdir()
    logger = RetrainLogger(tracker, experiment="x", key="x/final/1", tags={}, config=RUN.config, folders=[folder])
    logger.open(at_s=1)
    logger.close({}, epoch=4, at_s=5)
    parent = tracker.kept[tracker.runs("x")["x/final/1"].run_id]
    assert parent.artifacts == {"environment": str(folder)}


def result(checkpoint: Path | None = None) -> RunResult:
    return RunResult(
        entry=RUN.entry, seed=0, epoch=4, metrics={"knn_top1": 0.5}, seconds=1.0,
        checkpoint=None if checkpoint is None else str(checkpoint),
    )  # fmt: skip


def test_a_run_has_losses_by_epoch_test_metrics_checkpoint_and_tags(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    logger = opened(tracker)
    logger.begin(RUN, at_s=2)
    logger.losses(RUN, [(1, {"loss": 3.0}), (2, {"loss": 2.0})], at_s=3)
    logger.end(RUN, result(tmp_path), at_s=4)
    logger.close({}, epoch=4, at_s=5)
    parent, run = (tracker.kept[tracker.runs("x")[key].run_id] for key in ("x/final/1", "x/final/1/best-seed-0"))
    assert run.run.status is RunStatus.FINISHED
    assert run.parent == parent.run.run_id
    assert run.metrics == {"train/loss": [(1, 3.0, 3), (2, 2.0, 3)], "test/knn_top1": [(4, 0.5, 4)]}
    assert "checkpoint" in run.artifacts
    tags = {"hico.kind": "final run", "hico.entry": "best", "hico.seed": "0", "hico.search": "x"}
    assert tags.items() <= run.run.tags.items()
    assert (parent.name, parent.run.tags["hico.kind"]) == ("retraining", "final")
    assert (logger.untracked, logger.refused, logger.trouble) == (0, 0, None)
    assert logger.run_id(RUN) == run.run.run_id
    assert parent.model is None
    assert run.model is not None
    assert (run.model.name, run.model.epoch, run.model.tags["hico.entry"]) == ("x-best-seed-0", 4, "best")


def test_the_summary_is_of_the_parent_and_one_seed_has_no_deviation() -> None:
    tracker = MemoryTracker()
    logger = opened(tracker)
    summary = {
        Entry.BEST: {"knn_top1": Spread(mean=0.5, deviation=0.125, count=3)},
        Entry.RAW_POSE: {"knn_top1": Spread(mean=0.25, deviation=None, count=1)},
    }
    logger.close(summary, epoch=4, at_s=5)
    shown = {
        name: history[-1][:2] for name, history in tracker.kept[tracker.runs("x")["x/final/1"].run_id].metrics.items()
    }
    assert math.isnan(shown.pop("raw_pose/std_test_knn_top1")[1])
    assert shown == {
        "best/mean_test_knn_top1": (4, 0.5),
        "best/std_test_knn_top1": (4, 0.125),
        "best/seeds": (4, 3),
        "raw_pose/mean_test_knn_top1": (4, 0.25),
        "raw_pose/seeds": (4, 1),
    }


def test_what_was_logged_whole_is_not_logged_again(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    for at_s in (1, 10):
        logger = opened(tracker)
        logger.settle(RUN, result(tmp_path), at_s=at_s)
        logger.close({}, epoch=4, at_s=at_s)
    run = tracker.kept[tracker.runs("x")["x/final/1/best-seed-0"].run_id]
    assert run.metrics["test/knn_top1"] == [(4, 0.5, 1)]


def test_a_store_that_refuses_runs_is_named_as_the_trouble() -> None:
    tracker = MemoryTracker()
    tracker.refuses = {"open_run"}
    logger = opened(tracker)
    logger.begin(RUN, at_s=2)
    logger.close({}, epoch=4, at_s=5)
    assert logger.run_id(RUN) is None
    assert logger.trouble == "the tracking store refused it: open_run is not allowed"
    assert logger.refused == 3  # parent, run and the summary


def test_notes_datasets_and_source_of_the_runs() -> None:
    tracker = MemoryTracker()
    facts = {"dataset": "toys", "data_digest": "d" * 64, "protocol": "xsub", "test_sequences": "4", "trial": "2"}
    tags = {f"hico.{name}": value for name, value in facts.items()} | {"hico.code_version": "0.1.0+abc"}
    logger = RetrainLogger(tracker, experiment="x", key="x/final/1", tags=tags, config=RUN.config)
    logger.open(at_s=1)
    logger.begin(RUN, at_s=2)
    logger.compared(
        Comparison(intervals={}, differences={}, seeds=1), Promotion(alias="challenger", reason="no better")
    )
    logger.close({Entry.BEST: {"knn_top1": Spread(mean=0.5, deviation=0.125, count=3)}}, epoch=4, at_s=5)
    parent, run = (tracker.kept[tracker.runs("x")[key].run_id] for key in ("x/final/1", "x/final/1/best-seed-0"))
    note = parent.run.tags["mlflow.note.content"]
    assert "| best configuration | 50.0 ± 12.5 |" in note
    assert "**No better.**" in note
    assert "`hico-platform predict --model x@challenger FILE`" in note
    assert "Best configuration, seed 0: trained on the whole training split" in run.run.tags["mlflow.note.content"]
    assert [one.name for one in run.datasets] == ["toys (xsub, train)", "toys (xsub, test)"]
    assert run.run.tags["mlflow.source.git.commit"] == "abc"


def test_a_retraining_that_an_earlier_version_began_keeps_its_names() -> None:
    tracker = MemoryTracker()
    logger = opened(tracker)
    logger.close(None, epoch=4, at_s=2)
    for kept in tracker.kept.values():
        kept.run.tags.pop("hico.metric_names")  # type: ignore[attr-defined]
    logger = opened(tracker)
    logger.settle(RUN, result(), at_s=3)
    logger.close({Entry.BEST: {"knn_top1": Spread(mean=0.5, deviation=0.125, count=3)}}, epoch=4, at_s=5)
    names = {name for kept in tracker.kept.values() for name in kept.metrics}
    assert {"test_knn_top1", "best_mean_test_knn_top1", "best_seeds"} <= names
    assert not [name for name in names if "/" in name]
