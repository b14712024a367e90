"""Shared by the readers of poses in images, whose joints come with scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.readers._base import clean
from hico_platform.data.sequence import MissingJoint
from hico_platform.errors import DataError, Problem

LEAST_SCORE = 0.01
"""A joint of this score, or of a lower one, is missing, as in pyskl's ``PreNormalize2D``."""

MOST_PIXELS = 10_000.0
"""Largest accepted absolute coordinate of a joint in an image."""

_REMEDY = "correct or leave out this recording"
Array = npt.NDArray[Any]


def image_pose(
    pose: Array, scores: Array | None, *, file: Path, line: int | None, field: str = "", missing: MissingJoint
) -> tuple[npt.NDArray[np.float32], dict[str, float]]:
    """A recorded pose (T, M, J, 2) with NaN for missing joints, and ``confidence`` as metadata if there are scores.

    A third coordinate is the score, if ``scores`` (T, M, J) is None. The confidence is the mean score of the joints
    that are not missing. Raises DataError if scores are of another shape or no numbers, or as ``clean`` does.
    """

    def wrong(rule: str, value: object) -> DataError:
        return DataError(Problem(file=file, line=line, field=field, rule=rule, value=value, remedy=_REMEDY))

    if pose.shape[-1] == 3:
        pose, scores = pose[..., :2], pose[..., 2]
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        pose = np.array(pose, np.float64)
        scores = None if scores is None else np.array(scores, np.float64)
    if scores is not None:
        if scores.shape != pose.shape[:3]:
            raise wrong(f"a score for each joint, {list(pose.shape[:3])}", list(scores.shape))
        if missing is MissingJoint.NAN:
            scores = np.where(np.isnan(pose).any(axis=-1), 0.0, scores)
        if not np.isfinite(scores).all():
            raise wrong("a score that is a finite number", "nan or inf")
        pose[scores <= LEAST_SCORE] = 0.0 if missing is MissingJoint.ZERO else np.nan
    furthest = float(np.nan_to_num(np.abs(pose), nan=0.0).max(initial=0))
    if furthest > MOST_PIXELS:
        raise wrong(f"a coordinate within {MOST_PIXELS:g} pixels", furthest)
    cleaned = clean(pose, file=file, line=line, missing=missing)
    if scores is None:
        return cleaned, {}
    return cleaned, {"confidence": round(float(scores[~np.isnan(cleaned).any(axis=-1)].mean()), 2)}
