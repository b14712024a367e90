from __future__ import annotations

import numpy as np
import pytest
import torch

from hico_platform.augment.frames import StoredPoses, crop_and_resize, random_crop
from tests.unit.augment.conftest import ours
from tests.unit.augment.test_views import close


def test_golden_crop_and_resize(golden: dict[str, np.ndarray], stored: StoredPoses) -> None:
    start, length = (torch.from_numpy(golden[name]) for name in ("crop_start", "crop_length"))
    close(crop_and_resize(stored, start, length, frames=64), ours(golden["crop_resized"]))


def test_random_crop_is_distributed_as_described() -> None:
    generator = torch.Generator().manual_seed(0)
    num_frames = torch.full((20000,), 300)
    start, length = random_crop(num_frames, min_ratio=0.1, min_frames=64, generator=generator)
    assert length.min() == 64
    assert length.max() <= 300
    assert (start >= 0).all()
    assert (start + length <= 300).all()
    # ratio ~ U(0.1, 1): below 64 / 300 all lengths become 64.
    share_at_least = float((length == 64).double().mean())
    assert share_at_least == pytest.approx((65 / 300 - 0.1) / 0.9, abs=0.01)
    assert float(length[length > 64].double().mean()) == pytest.approx((65 + 300) / 2, abs=2)
    whole = start[length == 64].double()
    assert float(whole.mean()) == pytest.approx((300 - 64) / 2, abs=3)
    assert whole.max() == 300 - 64


def test_random_crop_of_short_sequences_takes_all_frames() -> None:
    generator = torch.Generator().manual_seed(0)
    start, length = random_crop(torch.tensor([1, 20, 64]), min_ratio=0.1, min_frames=64, generator=generator)
    assert length.tolist() == [1, 20, 64]
    assert start.tolist() == [0, 0, 0]
