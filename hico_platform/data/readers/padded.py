"""Shared by the formats with padded arrays: finds the recorded frames among the 300."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

ROWS_AN_ITEM = 8


def shown_bodies(pose: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(T, M, J, C) without bodies that are empty in all frames, and without empty frames at the end."""
    shows = np.nan_to_num(pose).any(axis=(2, 3))  # (T, M): a missing joint is NaN or zeros
    pose, shows = pose[:, shows.any(axis=0)], shows[:, shows.any(axis=0)]
    shown = np.flatnonzero(shows.any(axis=1))
    return pose[: shown[-1] + 1 if len(shown) else 0]


def recorded_frames(pose: npt.NDArray[Any]) -> int:
    """Number of frames of (T, M, J, C) before the repetition that pads it; each body may have its own period."""
    return max((_period(pose[:, m]) for m in range(pose.shape[1])), default=0)


def _period(body: npt.NDArray[Any]) -> int:
    """The smallest p with frame[t + p] == frame[t] for all t; the number of frames if there is none."""
    flat = np.nan_to_num(body).reshape(len(body), -1)
    for p in np.flatnonzero((flat == flat[:1]).all(axis=1))[1:]:
        if np.array_equal(flat[p:], flat[:-p]):
            return int(p)
    return len(body)
