from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform.augment.frames import centre_crop, crop_and_resize
from hico_platform.build import build_views
from tests.small import small_config, small_store


@pytest.mark.slow
def test_resize_equals_interpolate(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=6)
    views = build_views(small_config(views__frames=33).views, store=store, device=torch.device("cpu"))
    start, length = centre_crop(torch.tensor(store.num_frames), share=0.8)
    got = crop_and_resize(views.poses, start, length, frames=33)
    for i in range(len(store)):
        pose = torch.from_numpy(store.pose(i)[start[i] : start[i] + length[i]].copy())
        bodies = pose.shape[1]
        flat = pose.permute(1, 2, 3, 0).reshape(1, -1, pose.shape[0])
        expected = torch.nn.functional.interpolate(flat, size=33, mode="linear", align_corners=False)
        torch.testing.assert_close(got[i, :, :bodies], expected[0].T.reshape(33, bodies, 25, 3), rtol=1e-5, atol=1e-5)
        assert not got[i, :, bodies:].any()
