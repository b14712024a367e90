from __future__ import annotations

import numpy as np
import torch

from hico_platform.augment.frames import StoredPoses, centre_crop, crop_and_resize
from hico_platform.augment.streams import spatial_tokens, temporal_tokens, to_stream
from hico_platform.data.layout import KINECT_V2
from hico_platform.enums import Stream
from tests.unit.augment.conftest import ours
from tests.unit.augment.test_views import close


def test_golden_centre_crop_tokens_and_streams(golden: dict[str, np.ndarray], stored: StoredPoses) -> None:
    poses = crop_and_resize(stored, *centre_crop(stored.num_frames, share=0.95), frames=64)
    close(poses, ours(golden["center_crop_095"]))
    close(temporal_tokens(poses), torch.from_numpy(golden["temporal_view"]))
    close(spatial_tokens(poses), torch.from_numpy(golden["spatial_view"]))
    parents = torch.tensor(KINECT_V2.parents)
    for stream in (Stream.BONE, Stream.MOTION):
        close(to_stream(poses, stream, parents=parents), ours(golden[stream.value]))


def test_motion_and_bone() -> None:
    poses = torch.randn(2, 5, 2, 25, 3, generator=torch.Generator().manual_seed(0))
    parents = torch.tensor(KINECT_V2.parents)
    motion = to_stream(poses, Stream.MOTION, parents=parents)
    torch.testing.assert_close(motion[:, 0], poses[:, 1] - poses[:, 0])
    assert not motion[:, -1].any()
    bone = to_stream(poses, Stream.BONE, parents=parents)
    assert not bone[:, :, :, 20].any()
    torch.testing.assert_close(bone[:, :, :, 3], poses[:, :, :, 3] - poses[:, :, :, 2])
    assert to_stream(poses, Stream.JOINT, parents=parents) is poses
