"""Learning curves that a search recorded, for other policies to be tried on (:mod:`~hico_platform.search.simulator`).

A table of trials stands for the training itself: a task gets the curve of the recorded trial nearest to it. What
a policy gains on the table it would gain in training as far as the table is dense; a search of random points
without stopping, with ``report_every``, makes the best one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hico_platform.config.parameters import Choice, Range
from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace
from hico_platform.errors import Problem, UsageError
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.simulator import Curve
from hico_platform.search.task import TrialTask

FEWEST = 2


class RecordedCurves:
    """The curves of a search's whole-budget trials, each for its own neighbourhood of the space.

    Args:
        space: in whose coordinates nearness is measured; ranges are scaled to [0, 1], choices differ by 1.
        trials: of a search over the same fields.

    Raises:
        UsageError: fewer than two trials are complete.
    """

    def __init__(self, space: CheckedSpace, trials: Sequence[TrialRecord]) -> None:
        self._space = space
        self._base = {name: value for name, value in flatten(space.base).items() if value is not None}
        complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
        if len(complete) < FEWEST:
            raise UsageError(
                Problem(
                    field="curves",
                    rule=f"at least {FEWEST} trials of the whole budget",
                    value=len(complete),
                    remedy="record a search with sampler.name=random scheduler.name=none scheduler.report_every=1",
                )
            )
        self._table = [(self._place(trial.values), dict(trial.curve)) for trial in complete]

    def __call__(self, task: TrialTask) -> Curve:
        """The curve of the nearest recorded trial, linear between its reports."""
        values = flatten(task.config)
        place = self._place({name: value for name, value in values.items() if value is not None})
        _, curve = min(self._table, key=lambda row: _distance(place, row[0]))
        return lambda epoch: _at(curve, epoch)

    def _place(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Coordinates of the parameters whose conditions hold, ranges in [0, 1]."""
        known = self._base | dict(values)
        place: dict[str, Scalar] = {}
        for parameter in self._space.active(known):
            drawn = parameter.encode(known)
            for axis in parameter.coordinates():
                place[axis.name] = _scaled(axis, drawn[axis.name])
        return place


def _scaled(axis: Range | Choice, value: Scalar) -> Scalar:
    if isinstance(axis, Choice):
        return str(value)
    low, high, at = axis.low, axis.high, float(value)
    if axis.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def _distance(one: Mapping[str, Scalar], other: Mapping[str, Scalar]) -> float:
    """Squared; a coordinate that only one has counts as a choice that differs."""
    total = 0.0
    for name in one.keys() | other.keys():
        a, b = one.get(name), other.get(name)
        if isinstance(a, float) and isinstance(b, float):
            total += (a - b) ** 2
        else:
            total += a != b
    return total


def _at(curve: Mapping[int, float], epoch: int) -> float:
    before = max((known for known in curve if known <= epoch), default=min(curve))
    after = min((known for known in curve if known >= epoch), default=max(curve))
    if before == after:
        return curve[before]
    share = min(max((epoch - before) / (after - before), 0.0), 1.0)
    return curve[before] + share * (curve[after] - curve[before])
