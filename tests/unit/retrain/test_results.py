"""What the comparison's columns and rows show, and what is kept of a run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from hico_platform.config.schema import to_mapping
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.results import METRICS, RunResult, read_result, spread, summarise, write_plan, write_result
from tests.small import small_config


def test_columns_have_the_names_of_what_they_show() -> None:
    assert METRICS == {
        "knn_top1": "1-NN",
        "knn_top1_k5": "5-NN",
        "knn_top1_k9": "9-NN",
        "knn_top1_k20": "20-NN",
        "knn_mean": "kNN",
        "recognition_top1": "linear probe",
        "linear_regularised_top1": "regularised",
        "retrieval_recall_at_5": "R@5",
        "retrieval_recall_at_10": "R@10",
        "retrieval_map": "mAP",
        "transfer_top1": "transfer",
        "transfer_regularised_top1": "transfer, regularised",
    }


def test_every_cell_is_the_mean_and_sample_deviation_of_its_entry_and_metric() -> None:
    scores = np.random.default_rng(0).uniform(size=(len(Entry), 3, len(METRICS)))
    results = [
        RunResult(
            entry=entry,
            seed=seed,
            epoch=3,
            metrics=dict(zip(METRICS, scores[row, seed], strict=True)),
            checkpoint=None,
            seconds=1.0,
        )
        for row, entry in enumerate(Entry)
        for seed in (2, 0, 1)
    ]
    summary = summarise(results)
    assert list(summary) == list(Entry)
    for row, entry in enumerate(Entry):
        assert list(summary[entry]) == list(METRICS)
        for column, cell in enumerate(summary[entry].values()):
            assert cell.mean == pytest.approx(scores[row, :, column].mean())
            assert cell.deviation == pytest.approx(scores[row, :, column].std(ddof=1))
            assert cell.count == 3


def test_a_plan_is_kept_with_what_its_numbers_go_with(tmp_path: Path) -> None:
    plan = make_plan(small_config(), seeds=1, epochs=6, facts={"protocol": "xsub"})
    write_plan(tmp_path, plan, {"split": "test"})
    assert json.loads((tmp_path / "plan.json").read_text()) == {
        "digest": plan.digest,
        "epochs": 6,
        "facts": {"split": "test"},
        "config": to_mapping(small_config(budget__epochs=6)),
        "runs": ["best-seed-0", "released-seed-0", "untrained-seed-0", "raw-pose-seed-0"],
    }
    write_plan(tmp_path, plan, {"split": "test"}, candidates=[{"trial": 3, "mean": 0.5}])
    assert json.loads((tmp_path / "plan.json").read_text())["candidates"] == [{"trial": 3, "mean": 0.5}]


@pytest.mark.parametrize("checkpoint", ["elsewhere/epoch-000003", "inside/deeper/epoch-000003"])
def test_a_checkpoint_is_found_where_it_was_written(checkpoint: str, tmp_path: Path) -> None:
    written = RunResult(
        entry=Entry.BEST, seed=0, epoch=3, metrics={}, checkpoint=str(tmp_path / checkpoint), seconds=1.5
    )
    (tmp_path / checkpoint).mkdir(parents=True)
    write_result(tmp_path / "inside", written)
    assert read_result(tmp_path / "inside") == written
    # As older versions wrote it:
    (tmp_path / "inside" / "result.json").write_text(json.dumps(dataclasses.asdict(written)))
    if checkpoint.startswith("elsewhere"):
        assert read_result(tmp_path / "inside") == written


def result(entry: Entry, seed: int, **metrics: float) -> RunResult:
    return RunResult(entry=entry, seed=seed, epoch=3, metrics=metrics, checkpoint=None, seconds=1.5)


def test_a_result_says_what_precision_it_was_trained_in_and_older_ones_none(tmp_path: Path) -> None:
    written = dataclasses.replace(result(Entry.BEST, 0), precision="tf32")
    write_result(tmp_path / "run", written)
    assert read_result(tmp_path / "run") == written
    older = json.loads((tmp_path / "run" / "result.json").read_text())
    del older["precision"]
    (tmp_path / "run" / "result.json").write_text(json.dumps(older))
    assert read_result(tmp_path / "run") == dataclasses.replace(written, precision=None)


def test_results_round_trip(tmp_path: Path) -> None:
    assert read_result(tmp_path / "none") is None
    written = result(Entry.RAW_POSE, 0, knn_top1=0.25)
    write_result(tmp_path / "run", written)
    assert read_result(tmp_path / "run") == written
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["result.json"]


def test_a_checkpoint_is_found_where_the_home_was_moved_to(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    trained = dataclasses.replace(result(Entry.BEST, 0), checkpoint=str(one / "epoch-000003"))
    write_result(one, trained)
    assert "epoch-000003" in (one / "result.json").read_text()
    assert str(tmp_path) not in (one / "result.json").read_text()
    one.rename(other)
    assert read_result(other) == dataclasses.replace(trained, checkpoint=str(other / "epoch-000003"))
    # As older versions wrote it:
    (other / "result.json").write_text(json.dumps(dataclasses.asdict(trained)))
    (other / "epoch-000003").mkdir()
    assert read_result(other) == dataclasses.replace(trained, checkpoint=str(other / "epoch-000003"))


def test_summary_has_mean_and_sample_deviation_by_entry() -> None:
    summary = summarise(
        [
            result(Entry.BEST, 0, knn_top1=0.4, transfer_top1=0.1),
            result(Entry.BEST, 1, knn_top1=0.6, transfer_top1=0.3),
            result(Entry.RAW_POSE, 0, knn_top1=0.2),
        ]
    )
    assert list(summary) == [Entry.RAW_POSE, Entry.BEST]
    best = summary[Entry.BEST]["knn_top1"]
    assert (best.mean, best.count) == (pytest.approx(0.5), 2)
    assert best.deviation == pytest.approx(0.1414, abs=1e-4)
    assert summary[Entry.RAW_POSE] == {"knn_top1": spread([0.2])}
    assert spread([0.2]).deviation is None
