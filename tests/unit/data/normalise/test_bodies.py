from __future__ import annotations

import numpy as np

from hico_platform.data.normalise.bodies import frames_shown, no_body


def test_a_frame_shows_a_body_where_one_joint_has_all_coordinates() -> None:
    pose = np.full((4, 2, 3, 3), np.nan, np.float32)
    pose[0, 0, 1] = 1
    pose[1, 1, 2, :2] = 1  # a joint with a coordinate missing
    pose[3] = 0
    assert frames_shown(pose).tolist() == [[True, False], [False, False], [False, False], [True, True]]


def test_nobody_keeps_the_joints_and_coordinates() -> None:
    found = no_body(np.zeros((9, 2, 17, 2), np.float32))
    assert found.pose.shape == (0, 0, 17, 2)
    assert found.pose.dtype == np.float32
    assert found.remarks == {}
