"""Several objectives: what a trial is measured by, and which trials no other beats.

With one objective, the validation kNN, all of it falls together with comparing kNN.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from hico_platform.config.space import Objective
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.messages import EpochReport

Measures = tuple[float, ...]
"""One value for each objective, in their order, as measured (not turned to more-is-better)."""


def measures(objectives: Sequence[Objective], report: EpochReport) -> Measures:
    """A report's value of each objective: its metric, or for a speed the median over the epochs in its history."""
    found = []
    for objective in objectives:
        if objective in report.metrics:
            found.append(report.metrics[objective])
        else:
            found.append(statistics.median(losses[objective] for _, losses in report.history))
    return tuple(found)


def fronts(points: Sequence[Measures], objectives: Sequence[Objective]) -> list[int]:
    """The Pareto front of each point: 0 where no other beats it, 1 where only points of front 0 do, and so on.

    Non-dominated sorting (Deb et al., NSGA-II, 2002). A point beats another that it equals or exceeds in every
    objective and exceeds in one; no number is worst.
    """
    turned = [
        tuple(-math.inf if math.isnan(v) else o.sign * v for o, v in zip(objectives, point, strict=True))
        for point in points
    ]
    left, found, rank = set(range(len(points))), [0] * len(points), 0
    while left:
        front = {one for one in left if not any(_beats(turned[other], turned[one]) for other in left)}
        for one in front:
            found[one] = rank
        left -= front
        rank += 1
    return found


def scheduler_scores(
    number: int, own: Measures, peers: Mapping[int, Measures], objectives: Sequence[Objective]
) -> tuple[float, dict[int, float]]:
    """The scores by which a scheduler compares trials at one epoch: own, and those of ``peers``.

    The validation kNN where it is the only objective; else how few Pareto fronts lie before a trial's own, so
    that a trial is better than another where its front comes first.
    """
    others = {other: point for other, point in peers.items() if other != number}
    if len(objectives) == 1:
        return own[0], {other: point[0] for other, point in others.items()}
    first, *rest = fronts([own, *others.values()], objectives)
    return -float(first), {other: -float(rank) for other, rank in zip(others, rest, strict=True)}


def pareto_front(trials: Sequence[TrialRecord], objectives: Sequence[Objective]) -> tuple[TrialRecord, ...]:
    """The trials of the whole budget that no other of them beats, by falling kNN."""
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.measures]
    ranks = fronts([trial.measures for trial in complete], objectives)
    front = [trial for trial, rank in zip(complete, ranks, strict=True) if rank == 0]
    return tuple(sorted(front, key=lambda trial: (-(trial.value or 0.0), trial.number)))


def _beats(one: Measures, other: Measures) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True)) and one != other
