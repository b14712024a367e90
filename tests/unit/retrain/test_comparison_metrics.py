from __future__ import annotations

import math

from hico_platform.evaluate.intervals import Interval
from hico_platform.retrain.comparison import Comparison
from hico_platform.retrain.comparison_metrics import comparison_metrics, further_metrics, summary_metrics
from hico_platform.retrain.further_scores import FurtherScore, FurtherScores
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import Spread
from hico_platform.tracking.metric_names import MetricNames

ONE, THREE = Spread(mean=0.5, deviation=None, count=1), Spread(mean=0.6, deviation=0.1, count=3)
INTERVAL = Interval(low=0.4, high=0.7, method="made up")


def test_means_have_their_deviation_and_the_number_of_seeds_which_one_seed_does_not_deviate_over() -> None:
    metrics = summary_metrics({Entry.RAW_POSE: {"knn_top1": ONE}, Entry.BEST: {"knn_top1": THREE}}, MetricNames())
    assert math.isnan(metrics.pop("raw_pose/std_test_knn_top1"))
    assert metrics == {
        "raw_pose/mean_test_knn_top1": 0.5, "raw_pose/seeds": 1, "best/mean_test_knn_top1": 0.6,
        "best/std_test_knn_top1": 0.1, "best/seeds": 3,
    }  # fmt: skip


def test_intervals_have_two_ends() -> None:
    comparison = Comparison(intervals={Entry.BEST: {"knn_top1": INTERVAL}})
    plain = MetricNames(are_grouped=False)
    assert comparison_metrics(comparison, plain) == {"best_low_test_knn_top1": 0.4, "best_high_test_knn_top1": 0.7}


def test_further_scores_have_their_mean_and_the_interval_where_there_is_one() -> None:
    scores = {
        Entry.RAW_POSE: {"semi_error": FurtherScore(spread=ONE, interval=None)},
        Entry.BEST: {"semi_error": FurtherScore(spread=THREE, interval=INTERVAL)},
    }
    assert further_metrics(FurtherScores(scores=scores), MetricNames()) == {
        "raw_pose/mean_test_semi_error": 0.5, "best/mean_test_semi_error": 0.6, "best/low_test_semi_error": 0.4,
        "best/high_test_semi_error": 0.7,
    }  # fmt: skip
