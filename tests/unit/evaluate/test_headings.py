from __future__ import annotations

from hico_platform.evaluate.headings import HEADINGS
from hico_platform.retrain.results import METRICS


def test_headings_are_told_apart_and_the_comparison_has_those_of_the_report() -> None:
    assert len(set(HEADINGS.values())) == len(HEADINGS)
    assert METRICS.items() <= HEADINGS.items()
    assert HEADINGS.keys() - METRICS.keys() == {"retrieval_top1"}


def test_the_table_of_a_retraining_keeps_its_order() -> None:
    assert list(METRICS.values()) == [
        "1-NN", "5-NN", "9-NN", "20-NN", "kNN", "linear probe", "regularised", "R@5", "R@10", "mAP", "transfer",
        "transfer, regularised",
    ]  # fmt: skip
