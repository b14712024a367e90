"""Who becomes champion: only what is better than released settings and untrained encoder beyond noise."""

from __future__ import annotations

import dataclasses

import pytest

from hico_platform.enums import Signal
from hico_platform.evaluate.intervals import Interval, PairedTest
from hico_platform.retrain import promotion as module
from hico_platform.retrain.comparison import Comparison, Difference
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.promotion import promotion


def difference(value: float, low: float, high: float, p_greater: float, *, few: bool = False) -> Difference:
    interval = Interval(low=low, high=high, method="of a test", few_persons=few)
    test = PairedTest(
        difference=value, interval=interval, p=2 * p_greater, p_greater=p_greater, least_p=0.01, method="of a test"
    )
    return Difference(test=test, p=1.0)


CLEAR = difference(0.122, 0.081, 0.163, 0.001)
NOISE = difference(0.003, -0.012, 0.019, 0.31)
WORSE = difference(-0.05, -0.08, -0.02, 0.99)


def comparison(released: Difference, untrained: Difference, *, metric: str = "knn_top1") -> Comparison:
    return Comparison(
        persons=10, seeds=1, differences={Entry.RELEASED: {metric: released}, Entry.UNTRAINED: {metric: untrained}}
    )


def test_a_model_that_is_better_than_both_is_the_champion() -> None:
    found = promotion(comparison(CLEAR, CLEAR), metric="knn_top1")
    assert found.alias == "champion"
    assert found.sentence == (
        "Better beyond noise in test 1-NN: over released settings +12.2 points [8.1, 16.3], one-sided p 0.001, "
        "untrained encoder +12.2 points [8.1, 16.3], one-sided p 0.001; with one seed nothing is known of how seeds "
        "differ."
    )


@pytest.mark.parametrize(
    ("released", "untrained", "said"),
    [
        (NOISE, CLEAR, "over released settings +0.3 points [-1.2, 1.9], one-sided p 0.310"),
        (CLEAR, NOISE, "over untrained encoder +0.3 points [-1.2, 1.9], one-sided p 0.310"),
        (WORSE, CLEAR, "over released settings -5.0 points [-8.0, -2.0], one-sided p 0.990"),
        # Either of the two ways to be sure is not enough.
        (difference(0.1, 0.01, 0.2, 0.06), CLEAR, "one-sided p 0.060"),
        (difference(0.1, -0.01, 0.2, 0.01), CLEAR, "[-1.0, 20.0]"),
    ],
)
def test_one_that_is_not_stays_challenger_and_says_what_it_does_not_beat(
    released: Difference, untrained: Difference, said: str
) -> None:
    found = promotion(comparison(released, untrained), metric="knn_top1")
    assert found.alias == "challenger"
    assert found.reason.startswith("not better beyond noise in test 1-NN: over ")
    assert said in found.reason
    assert "+12.2" not in found.reason, "what it beats is no reason"


def test_few_persons_show_nothing() -> None:
    few = difference(0.3, 0.2, 0.4, 0.0625, few=True)
    found = promotion(comparison(few, few), metric="knn_top1")
    assert found.alias == "challenger"
    assert found.reason.endswith("; 10 persons are too few to show any difference")


def test_the_metric_of_the_search_decides() -> None:
    found = Comparison(
        persons=10,
        differences={
            Entry.RELEASED: {"knn_top1": NOISE, "retrieval_map": CLEAR},
            Entry.UNTRAINED: {"knn_top1": CLEAR, "retrieval_map": CLEAR},
        },
    )
    assert promotion(found, metric="retrieval_map").reason.startswith("better beyond noise in test mAP: over ")
    assert promotion(found, metric="knn_top1").alias == "challenger"


def test_without_a_test_nothing_is_decided() -> None:
    old = Comparison(untested="best-seed-0: scored by a version that kept no scores of sequences")
    found = promotion(old, metric="knn_top1")
    assert found.alias is None
    assert found.reason == "not tested: best-seed-0: scored by a version that kept no scores of sequences"
    lacking = promotion(comparison(CLEAR, CLEAR), metric="retrieval_map")
    assert (lacking.alias, lacking.reason) == (
        None,
        "not tested: no test mAP of each sequence of released settings and untrained encoder",
    )


def test_several_seeds_need_no_warning() -> None:
    found = promotion(dataclasses.replace(comparison(CLEAR, CLEAR), seeds=3), metric="knn_top1")
    assert found.reason.endswith("one-sided p 0.001")


def test_the_released_settings_do_not_beat_themselves() -> None:
    alone = Comparison(persons=10, seeds=3, differences={Entry.UNTRAINED: {"knn_top1": CLEAR}}, is_released=True)
    found = promotion(alone, metric="knn_top1")
    assert (found.alias, found.reason) == (
        "challenger",
        "it has the released settings, which a champion has to beat",
    )


def test_a_score_without_a_heading_is_called_by_its_name() -> None:
    found = promotion(comparison(CLEAR, CLEAR, metric="of_a_plugin"), metric="of_a_plugin")
    assert found.reason.startswith("better beyond noise in test of_a_plugin: over ")


@pytest.mark.parametrize("signal", Signal)
def test_what_the_search_went_by_decides_where_the_test_split_has_it(signal: Signal) -> None:
    expected = "knn_top1" if signal is Signal.KNN_SUBJECTS else signal.metric
    assert module.tested_metric(signal) == expected
