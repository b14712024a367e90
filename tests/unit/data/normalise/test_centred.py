"""Bodies, times and centres after upright, yaw and centre: what a sensor lost moves nothing."""

from __future__ import annotations

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.normalise.centred import (
    HELD,
    INTERPOLATED,
    LEFT_OUT,
    MOST_INTERPOLATED_FRAMES,
    WITHOUT_CENTRE,
    most_moving,
)
from hico_platform.data.normalise.turn import NOT_TURNED, NOT_UPRIGHT
from tests.unit.data.normalise.recordings import (
    CENTRE,
    HIPS,
    LEFT,
    NECK,
    OTHERS,
    done,
    recorded,
)


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize(
    ("gap", "remark"), [(slice(10, 30), INTERPOLATED), (slice(0, 7), HELD), (slice(-9, None), HELD)]
)
def test_a_missing_centre_moves_nothing(method: Normalisation, gap: slice, remark: str) -> None:
    whole, _ = done(recorded(), method)
    raw = recorded()
    raw[gap, 0, CENTRE] = np.nan
    pose, remarks = done(raw, method)
    assert remarks == {remark: len(raw[gap])}
    assert np.abs(np.delete(pose - whole, CENTRE, axis=2)).max() < 0.5
    released = normalise(raw, KINECT_V2)
    assert np.abs(np.diff(released.pose[:, 0, 3], axis=0)).max() > 1
    assert sum(released.remarks.values()) >= len(raw[gap])


def test_beyond_the_longest_gap_the_nearest_centre_is_kept() -> None:
    raw = np.repeat(recorded()[:1], MOST_INTERPOLATED_FRAMES + 4, axis=0)
    raw[-1] += np.array([3, 0, 0])  # they went 3 m to the side meanwhile
    raw[1:-2, 0, CENTRE] = np.nan
    raw[-2:] = raw[-1:]
    raw[-2:, 0, CENTRE] = raw[-1, 0, HIPS]
    _, remarks = done(raw, Normalisation.CENTRE)
    assert remarks == {HELD: MOST_INTERPOLATED_FRAMES + 1}
    _, remarks = done(raw[1:], Normalisation.CENTRE)
    assert remarks == {HELD: MOST_INTERPOLATED_FRAMES + 1}
    _, remarks = done(raw[[0, *range(2, len(raw))]], Normalisation.CENTRE)
    assert remarks == {INTERPOLATED: MOST_INTERPOLATED_FRAMES}


@pytest.mark.parametrize("method", OTHERS)
def test_what_is_never_seen_is_counted(method: Normalisation) -> None:
    raw = recorded()
    raw[:, 0, [CENTRE, LEFT]] = np.nan
    pose, remarks = done(raw, method)
    assert remarks[WITHOUT_CENTRE] == 1
    assert np.abs(pose).max() < 1.5, "centred as a whole"
    assert remarks.get(NOT_TURNED, 0) == (method is not Normalisation.CENTRE)
    assert remarks.get(NOT_UPRIGHT, 0) == (method is Normalisation.UPRIGHT)


@pytest.mark.parametrize("method", OTHERS)
def test_bodies_keep_their_times_and_the_other_stays_in_place_while_one_is_lost(method: Normalisation) -> None:
    raw = recorded(people=2)
    whole, _ = done(raw, method)
    raw[10:30, most_moving(raw)[0]] = np.nan
    pose, remarks = done(raw, method)
    assert remarks == {INTERPOLATED: 20}
    assert pose.shape == whole.shape
    assert not pose[10:30, 0].any()
    seen = pose[:, 1].any(axis=-1)
    assert np.linalg.norm(pose[:, 1] - whole[:, 1], axis=-1)[seen].max() < 0.5
    released = normalise(raw, KINECT_V2).pose
    assert np.linalg.norm(np.diff(released[:, 1, NECK], axis=0), axis=-1).max() > 1, "as released, under released alone"


@pytest.mark.parametrize("method", OTHERS)
def test_frames_that_show_nobody_are_left_out_at_the_ends_alone(method: Normalisation) -> None:
    raw = recorded(people=2)
    whole, _ = done(raw, method)
    empty = np.full((4, *raw.shape[1:]), np.nan, np.float32)
    padded = np.concatenate([empty, raw, empty[:3]])
    pose, remarks = done(padded, method)
    assert remarks == {LEFT_OUT: 7}
    np.testing.assert_array_equal(pose, whole)
    late = raw.copy()
    late[:8, 0] = np.nan
    pose, remarks = done(late, method)
    assert len(pose) == len(raw)
    assert sum(not body.any() for body in pose[:8].swapaxes(0, 1)) == 1, "the late body comes late"


def test_nobody_at_all_gives_no_frames() -> None:
    for shape in ((5, 2, 25, 3), (5, 0, 25, 3)):
        assert done(np.full(shape, np.nan), Normalisation.UPRIGHT)[0].shape == (0, 0, 25, 3)


def test_padding_is_of_the_released_files() -> None:
    with pytest.raises(ValueError, match="num_frames is for released alone"):
        normalise(recorded(), KINECT_V2, method=Normalisation.YAW, num_frames=300)
