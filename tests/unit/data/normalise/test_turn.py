"""Which way people face after upright, yaw and centre."""

from __future__ import annotations

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.normalise.turn import TILTED, TILTED_IN_IMAGE
from tests.unit.data.normalise.recordings import (
    CENTRE,
    HIPS,
    LEFT,
    NECK,
    OTHERS,
    RIGHT,
    done,
    off_z_deg,
    recorded,
    turned,
)


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize("heading_deg", [0, 90, 120, 180, 250])
def test_a_person_stands_upright_however_they_face(method: Normalisation, heading_deg: float) -> None:
    """The released second turn brings a shoulder line near -x onto +x by the shortest way, over the person's head."""
    pose, remarks = done(recorded() @ turned(heading_deg, 1).T, method)
    assert off_z_deg(pose) < 20
    assert remarks == {}
    assert np.abs(pose[:, 0, CENTRE]).max() < 1e-6
    shoulders = (pose[:, 0, RIGHT] - pose[:, 0, LEFT]).mean(axis=0)
    if method is not Normalisation.CENTRE:
        assert shoulders[0] > 10 * abs(shoulders[1])


def test_released_tilts_some_of_them_and_upright_none() -> None:
    headings = [recorded() @ turned(heading_deg, 1).T for heading_deg in range(0, 360, 10)]
    assert max(off_z_deg(done(pose, Normalisation.RELEASED)[0]) for pose in headings) > 90
    assert max(off_z_deg(done(pose, Normalisation.UPRIGHT)[0]) for pose in headings) < 20


def test_upright_does_not_depend_on_the_camera_and_yaw_not_on_where_it_looks_from() -> None:
    pose, _ = done(recorded(), Normalisation.UPRIGHT)
    tilted = recorded() @ (turned(70, 0) @ turned(-30, 1) @ turned(100, 2)).T + np.array([1, 2, 3])
    np.testing.assert_allclose(done(tilted, Normalisation.UPRIGHT)[0], pose, atol=1e-5)
    upside_down = recorded() @ turned(180, 2).T
    np.testing.assert_allclose(done(upside_down, Normalisation.UPRIGHT)[0], pose, atol=1e-5)
    pose, _ = done(recorded(), Normalisation.YAW)
    np.testing.assert_allclose(done(recorded() @ turned(130, 1).T, Normalisation.YAW)[0], pose, atol=1e-5)


def test_centre_only_puts_the_vertical_on_z() -> None:
    pose, _ = done(recorded(), Normalisation.CENTRE)
    x, y, z = np.moveaxis(recorded() - recorded()[:, :1, CENTRE : CENTRE + 1], -1, 0)
    np.testing.assert_allclose(pose, np.nan_to_num(np.stack([x, -z, y], axis=-1)), atol=1e-6)


@pytest.mark.parametrize("method", OTHERS)
def test_distances_stay_and_a_missing_joint_is_zeros(method: Normalisation) -> None:
    raw = recorded()
    raw[3, 0, 7] = np.nan
    pose, _ = done(raw, method)
    assert pose.dtype == np.float32
    assert not pose[3, 0, 7].any()
    np.testing.assert_allclose(
        np.linalg.norm(pose[:, 0, 5] - pose[:, 0, 14], axis=-1)[:2],
        np.linalg.norm(raw[:, 0, 5] - raw[:, 0, 14], axis=-1)[:2],
        rtol=1e-4,
    )
    hand = np.cross(pose[0, 0, RIGHT] - pose[0, 0, LEFT], pose[0, 0, NECK] - pose[0, 0, HIPS])
    before = np.cross(raw[0, 0, RIGHT] - raw[0, 0, LEFT], raw[0, 0, NECK] - raw[0, 0, HIPS])
    toes, were = pose[0, 0, 15] - pose[0, 0, 14], raw[0, 0, 15] - raw[0, 0, 14]
    assert hand @ toes == pytest.approx(before @ were, rel=1e-3), "not mirrored"


@pytest.mark.parametrize("method", OTHERS)
def test_the_axes_come_from_the_frames_that_have_them(method: Normalisation) -> None:
    """NaN in one shoulder of frame 0 turned everything."""
    whole, _ = done(recorded(), method)
    raw = recorded()
    raw[:5, 0, LEFT] = np.nan
    pose, remarks = done(raw, method)
    assert remarks == {}
    seen = pose.any(axis=-1)
    assert np.linalg.norm(pose - whole, axis=-1)[seen].max() < 0.06


@pytest.mark.parametrize("method", OTHERS)
def test_a_recording_whose_vertical_is_not_y_is_counted(method: Normalisation) -> None:
    z_up = recorded() @ turned(90, 0).T
    pose, remarks = done(z_up, method)
    upright = method is Normalisation.UPRIGHT
    assert remarks == ({} if upright else {TILTED: 1})
    assert (off_z_deg(pose) < 20) is upright


def test_people_who_lie_in_an_image_are_not_told_to_be_turned_upright() -> None:
    """There is no such method for 2D poses."""
    lying = recorded()[..., [1, 0]]
    done_flat = normalise(lying.astype(np.float32), KINECT_V2, method=Normalisation.IMAGE)
    assert TILTED_IN_IMAGE in done_flat.remarks
    assert "upright is" not in TILTED_IN_IMAGE
