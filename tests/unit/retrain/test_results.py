"""What the comparison's columns and rows show, and what is kept of a run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from hico_platform.config.schema import to_mapping
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.results import METRICS, RunResult, read_result, summarise, write_plan, write_result
from tests.small import small_config


def test_columns_have_the_names_of_what_they_show() -> None:
    assert METRICS == {
        "knn_top1": "1-NN",
        "recognition_top1": "linear probe",
        "retrieval_recall_at_5": "R@5",
        "retrieval_map": "mAP",
        "transfer_top1": "transfer",
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
