"""What the released preprocessing made of poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hico_platform.augment.frames import StoredPoses


def ours(released: np.ndarray) -> torch.Tensor:
    """(N, C, T, J, M) as released to (N, T, M, J, C)."""
    return torch.from_numpy(np.ascontiguousarray(released.transpose(0, 2, 4, 3, 1)))


@pytest.fixture
def golden(golden_dir: Path) -> dict[str, np.ndarray]:
    file = golden_dir / "preprocess.npz"
    if not file.is_file():
        pytest.skip(f"no golden tensors of the preprocessing: {file}")
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture
def stored(golden: dict[str, np.ndarray]) -> StoredPoses:
    poses = ours(golden["prenormalized"])
    count = len(poses)
    return StoredPoses(
        values=poses.reshape(-1),
        offsets=torch.arange(count) * poses[0].numel(),
        num_frames=torch.from_numpy(golden["num_frames"]),
        num_bodies=torch.full((count,), 2),
        joints=25,
    )
