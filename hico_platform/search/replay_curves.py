"""Recorded learning curves on which other policies are compared (:mod:`~hico_platform.search.simulator`).

A table of trials replaces training: a task gets the curve of the nearest recorded trial. The denser the table, the
closer a policy's gain on it is to its gain in training; the best table comes from a random search without early
stopping, with ``report_every``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hico_platform.config.parameters import Choice, Range
from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace
from hico_platform.errors import Problem, UsageError
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.simulator import CurveFunction
from hico_platform.search.task import TrialTask

FEWEST = 2


class RecordedCurves:
    """The curves of a search's complete trials, each for the part of the space nearest to it.

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
        self._table = [(self._coordinates(trial.values), dict(trial.curve)) for trial in complete]

    def __call__(self, task: TrialTask) -> CurveFunction:
        """The curve of the nearest recorded trial, linear between its reports."""
        values = flatten(task.config)
        here = self._coordinates({name: value for name, value in values.items() if value is not None})
        _, curve = min(self._table, key=lambda row: _distance(here, row[0]))
        return lambda epoch: _at(curve, epoch)

    def _coordinates(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Coordinates of the parameters whose conditions hold, ranges in [0, 1]."""
        known = self._base | dict(values)
        coordinates: dict[str, Scalar] = {}
        for parameter in self._space.active(known):
            drawn = parameter.encode(known)
            for axis in parameter.coordinates():
                coordinates[axis.name] = _scaled(axis, drawn[axis.name])
        return coordinates


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
