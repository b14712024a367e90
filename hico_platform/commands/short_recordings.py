"""What to say of recordings that are so short that the temporal crop does nothing to them."""

from __future__ import annotations

import math

import numpy as np

from hico_platform.config.space import CheckedSpace
from hico_platform.worker.datasets import Dataset

FIELD = "views.min_crop_frames"
_CROP_FRAMES = 8


def crop_warning(source: Dataset, *, min_crop_frames: int) -> str | None:
    """A warning if most sequences that are pretrained on have fewer frames than a crop needs; else None."""
    store, split = source.open()
    frames = store.num_frames[np.concatenate([split.train, split.pretrain_only])]
    median = math.floor(np.median(frames)) if len(frames) else min_crop_frames
    if median >= min_crop_frames:
        return None
    said = (
        f"half of the sequences have at most {median} frames, and those shorter than {FIELD}, {min_crop_frames}, are "
        "never cropped in time, which is one of the views"
    )
    return f"{said}; set it to {_CROP_FRAMES}" if min(median, min_crop_frames) > _CROP_FRAMES else said


def least_crop_frames(space: CheckedSpace) -> int:
    """The smallest ``views.min_crop_frames`` that a trial of a space has."""
    return least_of(space, FIELD, base=space.base.views.min_crop_frames)


def least_of(space: CheckedSpace, name: str, *, base: int) -> int:
    """The smallest value of a setting that is a whole number in the trials of a space, whose base has ``base``."""
    found = [ends[name] for parameter in space.parameters if name in parameter.fields for ends in parameter.extremes()]
    return min(map(int, found), default=base)
