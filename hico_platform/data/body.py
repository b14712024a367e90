"""Measures of the body in a recording: its height, whether bones keep their length, whether it is shaped as a person.

Bones are lengths between a joint and its parent, so none of the measures depends on pose or on the frame of reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from hico_platform.data.anatomy import joint_key, opposite, rest_pose
from hico_platform.data.layout import Layout

_REST_HEIGHT_M = 1.7
_SHORTEST_COMPARED_M = 0.03  # of the standing person; where two joints nearly coincide, their ratio says nothing
_FEWEST_COMPARED = 3
_MOST_FRAMES = 48
_TO_STANDARD_DEVIATION = 1.4826  # of a median absolute deviation
_LARGEST_LOG_RATIO = 2.0
_NEARLY_ZERO = 1e-6

Lengths = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Body:
    """The body of a recording, or the medians over recordings; NaN where a measure is not known."""

    height_m: float
    """Height of a standing person with these bones; for joints of unknown names the longest way along the bones."""

    variation: float
    """By which share of their length bones vary from frame to frame (median absolute deviation, weighted by length)."""

    asymmetry: float
    """By which share of their length bones of the left and the right differ."""

    misfit: float
    """Mean absolute log ratio to the bones of a standing person of the same height; 0.1 to 0.2 in real recordings."""

    flatness: float
    """How much better bones keep length and proportions without the third coordinate (geometric mean of the ratios):
    about 1 and above, it is none of a body.

    NaN unless all values of the third coordinate lie between 0 and 1.
    """

    @property
    def strangeness(self) -> float:
        """Asymmetry and misfit together, of those that are known."""
        return float(np.nansum([self.asymmetry, self.misfit]))


def median_body(bodies: Iterable[Body]) -> Body:
    """The median of each measure over recordings; all NaN if there are none."""
    rows = np.array([astuple(body) for body in bodies]).reshape(-1, 5)
    middle = [float(np.median(column[~np.isnan(column)])) if (~np.isnan(column)).any() else np.nan for column in rows.T]
    return Body(height_m=middle[0], variation=middle[1], asymmetry=middle[2], misfit=middle[3], flatness=middle[4])


class BodyMeasure:
    """Measures bodies in one layout."""

    def __init__(self, layout: Layout) -> None:
        self._bones = [(joint, parent) for joint, parent in enumerate(layout.parents) if joint != parent]
        joints = [joint for joint, _ in self._bones]
        keys = [joint_key(layout.joints[joint]) for joint in joints]
        self._pairs = [
            (left, keys.index(other))
            for left, key in enumerate(keys)
            if key.endswith("_left") and (other := opposite(key)) in keys
        ]
        rest = _lengths(rest_pose(layout), self._bones)
        self._rest = np.where(rest >= _SHORTEST_COMPARED_M, rest, np.nan)  # (B,)
        self._paths = _leaf_paths(layout, joints)

    def measure(self, pose: npt.NDArray[np.floating]) -> Body | None:
        """The body of a pose (T, M, J, 3), NaN where a joint is missing; None if no bone is ever seen.

        Of several people the one with most joints is measured, in at most 48 frames.
        """
        seen = ~np.isnan(pose[..., 0])  # (T, M, J)
        most = int(seen.sum(axis=(0, 2)).argmax())
        frames = np.flatnonzero(seen[:, most].any(axis=-1))
        if not len(frames) or not self._bones:
            return None
        chosen = frames[np.unique(np.linspace(0, len(frames) - 1, _MOST_FRAMES).astype(int))]
        body = pose[chosen, most].astype(np.float64)  # (t, J, 3)
        lengths = _lengths(body, self._bones)  # (t, B)
        if np.isnan(lengths).all():
            return None
        middle, variation = _middle_and_variation(lengths)
        height, misfit = self._proportions(middle)
        return Body(
            height_m=height,
            variation=variation,
            asymmetry=self._asymmetry(middle),
            misfit=misfit,
            flatness=self._flatness(body, variation=variation, misfit=misfit),
        )

    def _asymmetry(self, middle: Lengths) -> float:
        if not self._pairs:
            return np.nan
        left, right = middle[np.array(self._pairs).T]
        both = ~np.isnan(left + right)
        total = (left + right)[both].sum() / 2
        return float(np.abs(left - right)[both].sum() / total) if total > 0 else np.nan

    def _proportions(self, middle: Lengths) -> tuple[float, float]:
        """Height in metres, and mean absolute log ratio to the bones of the standing person."""
        known = ~np.isnan(self._rest) & (middle > 0)
        if known.sum() < _FEWEST_COMPARED:
            ways = [np.nansum(middle[path]) for path in self._paths]
            return (float(max(ways)) if ways else np.nan), np.nan
        rest = self._rest[known]
        ratios = np.log(middle[known] / rest)
        scale = np.average(ratios, weights=rest)
        misfit = np.average(np.minimum(np.abs(ratios - scale), _LARGEST_LOG_RATIO), weights=rest)
        return float(_REST_HEIGHT_M * np.exp(scale)), float(misfit)

    def _flatness(self, body: Lengths, *, variation: float, misfit: float) -> float:
        depth = body[..., 2][~np.isnan(body[..., 2])]
        if depth.min() < 0 or depth.max() > 1:
            return np.nan
        middle, flat_variation = _middle_and_variation(_lengths(body[..., :2], self._bones))
        flat_misfit = self._proportions(middle)[1]
        ratio = (variation + _NEARLY_ZERO) / (flat_variation + _NEARLY_ZERO)
        if np.isnan(misfit):
            return ratio
        return float(np.sqrt(ratio * (misfit + _NEARLY_ZERO) / (flat_misfit + _NEARLY_ZERO)))


def _lengths(pose: npt.NDArray[np.floating], bones: list[tuple[int, int]]) -> Lengths:
    """Lengths of bones (..., B) in poses (..., J, C)."""
    joints, parents = np.array(bones, int).reshape(-1, 2).T
    lengths: Lengths = np.linalg.norm(pose[..., joints, :] - pose[..., parents, :], axis=-1)
    return lengths


def _middle_and_variation(lengths: Lengths) -> tuple[Lengths, float]:
    """Median length of each bone (B,), NaN where it is never seen, and by which share of it lengths vary."""
    middle = _medians(lengths)
    spread = np.nansum(_medians(np.abs(lengths - middle)))
    total = np.nansum(middle)
    return middle, float(_TO_STANDARD_DEVIATION * spread / total) if total > 0 else 0.0


def _medians(values: Lengths) -> Lengths:
    """The median of each column of (t, B) without its NaN, (B,); many times faster than NumPy's nanmedian."""
    ordered = np.sort(values, axis=0)  # NaN last
    counts = (~np.isnan(values)).sum(axis=0)
    low, high = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, len(values) - 1)
    columns = np.arange(values.shape[1])
    medians: Lengths = (ordered[low, columns] + ordered[high, columns]) / 2
    return medians


def _leaf_paths(layout: Layout, joints: list[int]) -> list[list[int]]:
    """The bones between each two ends of the tree."""
    ends = sorted(set(joints) - {layout.parents[joint] for joint in joints})[:_MOST_FRAMES]
    above = []
    for joint in ends:
        path = set()
        while layout.parents[joint] != joint:
            path.add(joints.index(joint))
            joint = layout.parents[joint]  # noqa: PLW2901
        above.append(path)
    return [sorted(a ^ b) for i, a in enumerate(above) for b in above[: i + 1]] + [sorted(path) for path in above]
