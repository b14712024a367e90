"""What the comparison's columns and rows show."""

from __future__ import annotations

import numpy as np
import pytest

from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import METRICS, RunResult, summarise


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
