"""Several objectives: a trial's value of each, and the Pareto front, which are the trials that no other dominates.

With one objective, the validation score that the search goes by, this is the same as comparing that score.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from hico_platform.config.space import Objective
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.messages import EpochReport

Measures = tuple[float, ...]
"""One value for each objective, in their order, as measured (not negated where less is better)."""


def measures(objectives: Sequence[Objective], report: EpochReport) -> Measures:
    """A report's value of each objective: its metric, or for a speed the median over the epochs in its history."""
    found = []
    for objective in objectives:
        if objective.metric in report.metrics:
            found.append(report.metrics[objective.metric])
        else:
            found.append(statistics.median(losses[objective.metric] for _, losses in report.history))
    return tuple(found)


def fronts(points: Sequence[Measures], objectives: Sequence[Objective]) -> list[int]:
    """The Pareto front of each point: 0 where no other dominates it, 1 where only points of front 0 do, and so on.

    Non-dominated sorting (Deb et al., NSGA-II, 2002). A point dominates another if it is at least as good in every
    objective and better in one; NaN is worst.
    """
    signed = _signed(points, objectives)
    left, found, rank = set(range(len(points))), [0] * len(points), 0
    while left:
        front = {one for one in left if not any(_dominates(signed[other], signed[one]) for other in left)}
        for one in front:
            found[one] = rank
        left -= front
        rank += 1
    return found


def scheduler_scores(
    number: int, own: Measures, peers: Mapping[int, Measures], objectives: Sequence[Objective]
) -> tuple[float, dict[int, float]]:
    """The scores by which a scheduler compares trials at one epoch: own, and those of ``peers``.

    The validation score where it is the only objective; else the negated rank of a trial's Pareto front, so that a
    trial on an earlier front has the higher score.
    """
    others = {other: point for other, point in peers.items() if other != number}
    if len(objectives) == 1:
        return own[0], {other: point[0] for other, point in others.items()}
    first, *rest = fronts([own, *others.values()], objectives)
    return -float(first), {other: -float(rank) for other, rank in zip(others, rest, strict=True)}


def pareto_front(trials: Sequence[TrialRecord], objectives: Sequence[Objective]) -> tuple[TrialRecord, ...]:
    """The complete trials that no other complete trial dominates, the highest first objective first."""
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.measures]
    signed = _signed([trial.measures for trial in complete], objectives)
    front: list[int] = []
    for one in sorted(range(len(complete)), key=lambda index: signed[index], reverse=True):
        # Whatever dominates it comes before it, and is on the front or dominated by one that is.
        if not any(_dominates(signed[other], signed[one]) for other in front):
            front.append(one)
    return tuple(sorted((complete[one] for one in front), key=lambda trial: (-(trial.value or 0.0), trial.number)))


def _signed(points: Sequence[Measures], objectives: Sequence[Objective]) -> list[Measures]:
    """Points of which a higher value is better; NaN is worst."""
    return [
        tuple(-math.inf if math.isnan(v) else o.sign * v for o, v in zip(objectives, point, strict=True))
        for point in points
    ]


def _dominates(one: Measures, other: Measures) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True)) and one != other
