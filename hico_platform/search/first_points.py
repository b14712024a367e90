"""The points that a search tries before those that its sampler proposes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace
from hico_platform.config.space_rules import flat
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Precision
from hico_platform.search.ledger.base import Ledger, Origin
from hico_platform.search.notes import ENQUEUED

Values = Mapping[str, Scalar]
PRECISION = "model.precision"


def enqueue_first_points(ledger: Ledger, space: CheckedSpace, *, warm_points: Sequence[Values], is_new: bool) -> None:
    """Enqueues each point once, also where a resumed search is given new ones.

    The order is: the released settings and the base of the space (where the search ``is_new``), the points that the
    space lists, and ``warm_points`` of earlier searches.
    """
    enqueued = list(ledger.note(ENQUEUED) or [])
    for origin, values in _first_points(space, warm_points, is_new=is_new):
        point = space.nearest_point(values)
        if point not in enqueued:
            enqueued.append(point)
            if space.admits(point):
                ledger.enqueue(values, space=space, origin=origin)
    ledger.set_note(ENQUEUED, enqueued)


def _first_points(space: CheckedSpace, warm_points: Sequence[Values], *, is_new: bool) -> list[tuple[Origin, Values]]:
    base = _fields(space.base)
    if PRECISION in space.searched and base[PRECISION] == Precision.AUTO:
        base[PRECISION] = Precision.FLOAT32.value  # what the release computes in; auto is no choice of a parameter
    released = _without_none({name: _fields(TrialConfig()).get(name) for name in space.searched})
    if released.get(PRECISION) == Precision.AUTO:
        released[PRECISION] = Precision.FLOAT32.value
    points = [(Origin.RELEASED, base | released), (Origin.BASE, base)] if is_new else []
    points += [(Origin.LISTED, base | flat(point)) for point in space.settings.points]
    points += [(Origin.WARM_START, base | dict(values)) for values in warm_points]
    return [*points]


def _fields(config: TrialConfig) -> dict[str, Scalar]:
    """A configuration's values by dotted names."""
    return _without_none(flatten(config))


def _without_none(values: Mapping[str, Scalar | None]) -> dict[str, Scalar]:
    return {name: value for name, value in values.items() if value is not None}
