"""A damaged index of a store is an error, not a read of other memory."""

from __future__ import annotations

import pytest
import torch

from hico_platform.augment.frames import StoredPoses, crop_and_resize


@pytest.mark.parametrize(("offset", "frames"), [(-30, 4), (0, 500), (10**9, 4), (0, 0)])
def test_frames_outside_the_stored_poses_are_refused(offset: int, frames: int) -> None:
    poses = StoredPoses(
        values=torch.zeros(10 * 2 * 5 * 3), offsets=torch.tensor([offset]), num_frames=torch.tensor([frames]),
        num_bodies=torch.tensor([2]), joints=5,
    )  # fmt: skip
    with pytest.raises(IndexError):
        crop_and_resize(poses, torch.tensor([0]), torch.tensor([frames]), frames=8)
