from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.readers import _base as module
from hico_platform.data.readers._base import ReadOptions, check_axes, clean
from hico_platform.data.sequence import MissingJoint, Unit
from hico_platform.errors import DataError

FILE = Path("x.npy")


def recorded(fill: float = 1.0, frames: int = 3) -> np.ndarray:
    return np.full((frames, 1, 4, 3), fill)


def test_a_pose_is_in_metres_in_float32() -> None:
    found = clean(recorded(250), file=FILE, line=None, missing=MissingJoint.NAN, unit=Unit.CM)
    assert found.dtype == np.float32
    assert (found == 2.5).all()
    assert ReadOptions().unit_read is Unit.M
    assert ReadOptions(unit=Unit.CM).unit_read is Unit.CM


def test_a_joint_with_one_coordinate_missing_is_missing() -> None:
    pose = recorded()
    pose[1, 0, 2, 0] = np.nan
    found = clean(pose, file=FILE, line=None, missing=MissingJoint.NAN)
    assert np.isnan(found[1, 0, 2]).all()
    assert np.isnan(found).sum() == 3
    zeros = recorded()
    zeros[1, 0, 2] = 0
    assert np.isnan(clean(zeros, file=FILE, line=None, missing=MissingJoint.ZERO)[1, 0, 2]).all()
    assert not np.isnan(clean(zeros, file=FILE, line=None, missing=MissingJoint.NAN)).any()


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        (recorded(frames=0), "x.npy:7: expected a recording of at least one frame, got 0"),
        (recorded(frames=6), "x.npy:7: expected a recording of at most 5 frames, got 6; cut it into actions"),
        (recorded()[:, :0], "x.npy:7: expected a recording of at least one body, got 0"),
        (recorded(np.inf), "x.npy:7: expected a finite coordinate within 10000 metres, got inf"),
        (recorded(10_001), "x.npy:7: expected a finite coordinate within 10000 metres, got 10001"),
        (recorded(np.nan), "x.npy:7: expected a coordinate that is a number, got 'nan'"),
        (recorded(0), "x.npy:7: expected a recording that shows at least one joint; leave it out"),
        (recorded(frames=5), "x.npy:7: expected a recording of at most 50 coordinates, got 60; cut it into actions"),
    ],
)
def test_what_is_no_recording_is_named(monkeypatch: pytest.MonkeyPatch, pose: np.ndarray, message: str) -> None:
    monkeypatch.setattr(module, "MOST_FRAMES", 5)
    monkeypatch.setattr(module, "MOST_VALUES", 50)
    with pytest.raises(DataError) as error:
        clean(pose, file=FILE, line=7, missing=MissingJoint.ZERO)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((9, 25, 2), "give --coordinates 2, and --layout: these are 2D"),
        ((9, 1, 24, 3), r"correct the array, or name its layout \(this is kinect-v2\)"),
        ((3, 25, 9), "transpose"),
        ((1, 9, 25, 3), "transpose|swap"),
    ],
)
def test_axes_that_are_mixed_up_are_named(shape: tuple[int, ...], remedy: str) -> None:
    with pytest.raises(DataError, match=rf"x.npy:2: expected an array \(T, 25, 3\) or \(T, M, 25, 3\).*{remedy}"):
        check_axes(shape, layout=KINECT_V2, file=FILE, line=2)
    check_axes((9, 25, 3), layout=KINECT_V2, file=FILE)
    check_axes((9, 2, 25, 3), layout=KINECT_V2, file=FILE)
