from __future__ import annotations

import numpy as np

from hico_platform.data.sequence import nan_where_zero


def test_a_joint_of_zeros_is_missing_and_a_coordinate_of_zero_is_not() -> None:
    pose = np.array([[[[0, 0, 0], [0, 0, 1], [0, 2, 0]]]], np.float32)
    marked = nan_where_zero(pose)
    assert marked.dtype == np.float32
    assert np.isnan(marked[0, 0, 0]).all()
    np.testing.assert_array_equal(marked[0, 0, 1:], pose[0, 0, 1:])
    np.testing.assert_array_equal(pose[0, 0, 0], 0, err_msg="the given pose is left as it is")
