"""Whether what was read are people, in metres, in the layout that was named: else names the remedy.

Any array of 25 joints has the shape of a Kinect v2 recording. Joints in another order, millimetres and a score in place
of z do not show until an encoder learns nothing, so an import looks at the bodies. The limits are far from what was
measured on Kinect recordings (medians over a dataset: strangeness 0.14 to 0.27, variation up to 0.07, flatness up to
0.7) and from the same with joints in another order (strangeness above 1) or with scores as z (flatness 1.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.body import Body, BodyMeasure, median_body
from hico_platform.data.layout import Layout
from hico_platform.data.layouts import LAYOUTS, RECORDED, same_joints
from hico_platform.data.sequence import Unit
from hico_platform.errors import DataError, Problem, command

HEIGHTS_M = (0.4, 2.6)
"""Plausible heights of a person, a small child's to that of a tall person whom the sensor stretches."""

_NO_HEIGHTS_M = (0.04, 10.0)  # beyond these a single recording is in another unit than the rest
_STRANGE, _DOUBTFUL = 0.55, 0.35
_VARIES, _VARIES_MUCH = 0.15, 0.3
_FITS_BETTER = 0.6  # times the strangeness
_FLAT = 0.95
_USUAL_HEIGHT_M = 1.65
_ENOUGH_RECORDINGS = 64  # to end an import that goes wrong before all are read
_ACCEPT = "--accept-implausible takes them as they are"

_SCORES = Problem(
    field="z", rule="a joint's x, y and z in metres",
    value="a third value from 0 to 1 that belongs to no body: a score, or nothing",
    remedy="give joints in three dimensions, without a score, or --coordinates 2 for poses in an image (manifest, "
    f"pyskl); {_ACCEPT}",
)  # fmt: skip


def measure(pose: npt.NDArray[np.float32], layout: Layout, *, only: bool = False) -> dict[str, Body]:
    """The body of a pose (T, M, J, C), NaN where a joint is missing, by name of a layout.

    Measured are ``layout`` and, if not it ``only``, all built-in ones with as many joints. Empty if the pose is not in
    three dimensions, or shows no bone.
    """
    if pose.shape[-1] != 3:
        return {}
    found = {name: one.measure(pose) for name, one in _measures(layout).items() if not only or name == layout.name}
    return {name: body for name, body in found.items() if body is not None}


@lru_cache(maxsize=8)
def _measures(layout: Layout) -> dict[str, BodyMeasure]:
    alike = [other for other in RECORDED.values() if len(other.joints) == len(layout.joints)]
    candidates = [layout, *(other for other in alike if other.name != layout.name and not same_joints(other, layout))]
    return {one.name: BodyMeasure(one) for one in candidates}


class BodyCheck:
    """Collects the bodies of an import, and judges them."""

    def __init__(self, layout: Layout, unit: Unit) -> None:
        self._layout, self.unit = layout, unit
        self._bodies: dict[str, list[Body]] = {}
        self._early = True

    def add(self, measured: Mapping[str, Body]) -> None:
        """Adds what ``measure`` found in a recording."""
        for name, body in measured.items():
            self._bodies.setdefault(name, []).append(body)

    def __len__(self) -> int:
        """Number of recordings measured."""
        return len(self._bodies.get(self._layout.name, ()))

    @property
    def body(self) -> Body:
        """The medians over all recordings."""
        return median_body(self._bodies.get(self._layout.name, ()))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a provenance: medians, and the range of heights."""
        bodies = self._bodies.get(self._layout.name, ())
        if not bodies:
            return {}
        people = [body for body in bodies if no_person(body) is None]
        heights = [body.height_m for body in people or bodies]
        return plain_body(self.body) | {"heights_m": [round(float(end), 3) for end in (min(heights), max(heights))]}

    def problems(self) -> list[Problem]:
        """What cannot be right about the dataset."""
        body = self.body
        if body.flatness >= _FLAT:
            return [_SCORES]
        found: list[Problem] = []
        better = self._better()
        doubtful = body.strangeness > _DOUBTFUL and better is not None
        if body.strangeness > _STRANGE or body.variation > _VARIES_MUCH or doubtful:
            found.append(self._other_layout(better))
            body = median_body(self._bodies[better]) if better else body
        if not np.isnan(body.height_m) and not HEIGHTS_M[0] <= body.height_m <= HEIGHTS_M[1]:
            found.append(self._other_unit(body.height_m))
        return found

    def refuse(self) -> None:
        """Raises DataError if something cannot be right."""
        if problems := self.problems():
            raise DataError(problems)

    def refuse_early(self) -> None:
        """The same as soon as there are enough recordings to tell, and once."""
        if self._early and len(self) >= _ENOUGH_RECORDINGS:
            self._early = False
            self.refuse()

    def refuse_scores(self) -> None:
        """Raises DataError if the third coordinate is a score."""
        if self.body.flatness >= _FLAT:
            raise DataError(_SCORES)

    def best(self) -> str | None:
        """The layout that fits best, of those measured; None if none fits or nothing tells."""
        bodies = {name: median_body(found) for name, found in self._bodies.items()}
        fits = {
            name: body.strangeness
            for name, body in bodies.items()
            if body.strangeness <= _DOUBTFUL and not np.isnan(body.misfit)
        }
        return min(fits, key=lambda name: fits[name]) if fits else None

    def warnings(self) -> list[str]:
        """What is unusual about the dataset, and may be right."""
        body, found = self.body, []
        if body.strangeness > _DOUBTFUL:
            found.append(f"bones are unlike those of a person in the layout {self._layout.name}: {_said(body)}")
        elif body.variation > _VARIES:
            found.append(f"bones vary by {body.variation:.0%} of their length within a recording")
        if not np.isnan(body.height_m) and not HEIGHTS_M[0] <= body.height_m <= HEIGHTS_M[1]:
            found.append(f"bodies are {_rounded(body.height_m):g} m high")
        return found

    def _other_layout(self, better: str | None) -> Problem:
        remedy = "check the order of the joints against the layout's file"
        if self._layout == LAYOUTS.get(self._layout.name):
            remedy = f"check the order of the joints against `{command('data', 'layouts', self._layout.name)}`"
        if better is not None:
            remedy = f"give --layout {better}, which fits ({_said(median_body(self._bodies[better]))})"
        return Problem(
            field="layout", rule=f"the bones of a person in the layout {self._layout.name}", value=_said(self.body),
            remedy=f"{remedy}; {_ACCEPT}",
        )  # fmt: skip

    def _other_unit(self, height_m: float) -> Problem:
        raw = height_m / self.unit.metres
        low, high = HEIGHTS_M
        fitting = [unit for unit in Unit if low <= raw * unit.metres <= high]
        remedy = "give the joints in metres"
        if fitting:
            unit = min(fitting, key=lambda unit: abs(np.log(raw * unit.metres / _USUAL_HEIGHT_M)))
            remedy = f"give --unit {unit}, in which it is {raw * unit.metres:.2f} m"
        return Problem(
            field="unit", rule=f"a body height of {low} to {high} m", value=_rounded(height_m),
            remedy=f"{remedy}; {_ACCEPT}",
        )  # fmt: skip

    def _better(self) -> str | None:
        """The built-in layout that fits clearly better, if there is one."""
        own, fits = self.body, {}
        for name, bodies in self._bodies.items():
            other = median_body(bodies)
            if name != self._layout.name and other.strangeness < min(_FITS_BETTER * own.strangeness, _DOUBTFUL):
                fits[name] = other.strangeness
        return min(fits, key=lambda name: fits[name]) if fits else None


def fits(body: Body) -> bool:
    """Whether bones are those of a person in the layout they were measured in; not if nothing tells."""
    return not np.isnan(body.misfit) and body.strangeness <= _DOUBTFUL and not body.flatness >= _FLAT


def no_person(body: Body) -> Problem | None:
    """What is wrong with a single recording that can only be in another unit than the rest."""
    if _NO_HEIGHTS_M[0] <= body.height_m <= _NO_HEIGHTS_M[1] or np.isnan(body.height_m):
        return None
    return Problem(
        rule=f"a body height of {HEIGHTS_M[0]} to {HEIGHTS_M[1]} m", value=_rounded(body.height_m),
        remedy=f"give this recording in the unit of the others; {_ACCEPT}",
    )  # fmt: skip


def plain_body(body: Body) -> dict[str, float | None]:
    """Measures as plain numbers, None where one is not known."""
    values = {
        "height_m": body.height_m,
        "variation": body.variation,
        "asymmetry": body.asymmetry,
        "misfit": body.misfit,
    }
    return {name: None if np.isnan(value) else round(value, 4) for name, value in values.items()}


def _rounded(height_m: float) -> float:
    return float(f"{height_m:.3g}")


def _said(body: Body) -> str:
    parts = [f"bones that vary by {body.variation:.2f} of their length"]
    if not np.isnan(body.asymmetry):
        parts.append(f"left and right that differ by {body.asymmetry:.2f}")
    if not np.isnan(body.misfit):
        parts.append(f"proportions off by {body.misfit:.2f}")
    return ", ".join(parts)
