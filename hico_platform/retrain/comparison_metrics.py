"""What the tracking store shows of a whole retraining: means, intervals and differences as metrics of its own run."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

from hico_platform.retrain.comparison import Comparison
from hico_platform.retrain.further_scores import FurtherScores
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import Spread
from hico_platform.tracking.metric_names import MetricNames


def summary_metrics(summary: Mapping[Entry, Mapping[str, Spread]], names: MetricNames) -> dict[str, float]:
    """Mean, deviation and number of seeds; one seed has no deviation, also where more had one before."""
    metrics: dict[str, float] = {}
    for entry, spreads in summary.items():
        of = functools.partial(names.of_entry, entry.replace(" ", "_"))
        for measure, spread in spreads.items():
            metrics[of(f"mean_test_{measure}")] = spread.mean
            metrics[of(f"std_test_{measure}")] = math.nan if spread.deviation is None else spread.deviation
        if spreads:
            metrics[of("seeds")] = max(spread.count for spread in spreads.values())
    return metrics


def comparison_metrics(comparison: Comparison, names: MetricNames) -> dict[str, float]:
    """The ends of each interval, and differences with their p."""
    metrics: dict[str, float] = {}
    for entry, intervals in comparison.intervals.items():
        of = functools.partial(names.of_entry, entry.replace(" ", "_"))
        for measure, interval in intervals.items():
            metrics[of(f"low_test_{measure}")] = interval.low
            metrics[of(f"high_test_{measure}")] = interval.high
    for entry, differences in comparison.differences.items():
        of = functools.partial(names.of_entry, f"best_over_{entry.replace(' ', '_')}")
        for measure, difference in differences.items():
            metrics[of(f"test_{measure}")] = difference.test.difference
            metrics[of(f"p_test_{measure}")] = difference.p
    return metrics


def further_metrics(further: FurtherScores, names: MetricNames) -> dict[str, float]:
    """Mean and interval of each score of the further tasks."""
    metrics: dict[str, float] = {}
    for entry, scores in further.scores.items():
        of = functools.partial(names.of_entry, entry.replace(" ", "_"))
        for measure, score in scores.items():
            metrics[of(f"mean_test_{measure}")] = score.spread.mean
            if score.interval is not None:
                metrics[of(f"low_test_{measure}")] = score.interval.low
                metrics[of(f"high_test_{measure}")] = score.interval.high
    return metrics
