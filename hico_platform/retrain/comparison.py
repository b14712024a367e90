"""How sure the comparison's numbers are: intervals over persons and seeds, and paired tests with persons as blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hico_platform.enums import Clusters
from hico_platform.retrain.plan import Entry, PlannedRun
from hico_platform.retrain.results import METRICS
from hico_platform.retrain.sequence_scores import SequenceScores, read_sequence_scores

if TYPE_CHECKING:  # torch, which pages that read results do without
    from torch import Tensor

    from hico_platform.evaluate.intervals import Interval, PairedTest
    from hico_platform.evaluate.scores import Score

COMPARED = (Entry.RELEASED, Entry.UNTRAINED, Entry.RAW_POSE)
"""What the best configuration is compared with, in the order of the table."""

TESTED = ("knn_top1", "recognition_top1", "linear_regularised_top1", "retrieval_map")
"""The metrics by which it is compared; the one that chose it is among them, whichever it is."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The best configuration less another entry, in one metric. ``p`` is that of ``test``, by Holm over all shown."""

    test: PairedTest
    p: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is known beyond means.

    Args:
        persons: in the test split; 0 where nothing is known of them.
        clusters: what ``persons`` counts: videos where no person is known.
        seeds: of the best configuration.
        intervals: of each entry's means, by metric.
        differences: from each other entry, by metric.
        untested: why there is no test, where there is none.
        is_released: whether the best configuration is the released settings, which then have no row of their own.
    """

    persons: int = 0
    clusters: Clusters = Clusters.PERSONS
    seeds: int = 0
    intervals: Mapping[Entry, Mapping[str, Interval]] = field(default_factory=dict)
    differences: Mapping[Entry, Mapping[str, Difference]] = field(default_factory=dict)
    untested: str | None = None
    is_released: bool = False


def compare(folder: Path, runs: Sequence[PlannedRun], *, metric: str) -> Comparison:
    """Intervals and tests from what the runs' folders below ``folder`` keep of each sequence.

    ``metric`` is the one that chose the best configuration. Runs of older versions keep nothing of sequences: where one
    is among them there are neither intervals nor tests, and ``untested`` names it.
    """
    kept, lacking = _kept(folder, runs)
    if lacking:
        return Comparison(untested=f"{', '.join(lacking)}: scored by a version that kept no scores of sequences")
    from hico_platform.evaluate.intervals import interval

    first = next(iter(kept.values()))[0]
    clusters = clusters_of(first.persons)
    intervals = {
        entry: {
            name: found
            for name in METRICS
            if name in seeds[0].parts
            and (found := interval(_scores(seeds, name), clusters=clusters, kind=first.clusters)) is not None
        }
        for entry, seeds in kept.items()
    }
    return Comparison(
        persons=0 if first.clusters is Clusters.SEQUENCES else len(np.unique(first.persons)),
        clusters=first.clusters,
        seeds=len(kept[Entry.BEST]),
        intervals=intervals,
        differences=_differences(kept, metrics=dict.fromkeys((metric, *TESTED))),
        is_released=Entry.RELEASED not in kept,
    )


def _differences(
    kept: Mapping[Entry, Sequence[SequenceScores]], *, metrics: Mapping[str, None]
) -> dict[Entry, dict[str, Difference]]:
    from hico_platform.evaluate.intervals import paired

    best = kept[Entry.BEST]
    blocks, kind = clusters_of(best[0].persons), best[0].clusters
    tests = {
        (entry, name): paired(_scores(best, name), _scores(kept[entry], name), clusters=blocks, kind=kind)
        for entry in COMPARED
        for name in metrics
        if entry in kept and name in best[0].parts and name in kept[entry][0].parts
    }
    adjusted = holm([test.p for test in tests.values()])
    found: dict[Entry, dict[str, Difference]] = {}
    for ((entry, name), test), p in zip(tests.items(), adjusted, strict=True):
        found.setdefault(entry, {})[name] = Difference(test=test, p=p)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p of each of several tests, so that under 5 % of such families have any false finding (Holm, 1979)."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _kept(folder: Path, runs: Sequence[PlannedRun]) -> tuple[dict[Entry, list[SequenceScores]], list[str]]:
    """What each entry's runs keep, and the runs that keep nothing."""
    kept: dict[Entry, list[SequenceScores]] = {}
    lacking = []
    for run in runs:
        scores = read_sequence_scores(folder / run.key)
        if scores is None:
            lacking.append(run.key)
        else:
            kept.setdefault(run.entry, []).append(scores)
    return kept, lacking


def _scores(seeds: Sequence[SequenceScores], metric: str) -> list[Score]:
    import torch

    from hico_platform.evaluate.scores import Score

    return [Score.mean_of(torch.from_numpy(one.parts[metric])) for one in seeds]


def clusters_of(persons: npt.NDArray[np.int64]) -> Tensor | None:
    """The persons; None where each sequence is one of its own, as it is where no person is known."""
    import torch

    return torch.from_numpy(persons) if len(np.unique(persons)) < len(persons) else None
