from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V1, KINECT_V2, Layout
from hico_platform.errors import ConfigError


class Counted(tuple[int, ...]):
    """Parents that count how often they are read."""

    read = 0

    def __getitem__(self, index: Any) -> Any:
        Counted.read += 1
        return super().__getitem__(index)


def chain(parents: tuple[int, ...]) -> Layout:
    names = tuple(map(str, range(len(parents))))
    return Layout(name="chain", joints=names, parents=parents, centre=0, z_axis=(0, 1), x_axis=(0, 1))


def test_a_layout_is_checked_in_as_many_steps_as_it_has_joints() -> None:
    count = 1000
    Counted.read = 0
    chain(Counted([*range(1, count), count - 1]))
    assert Counted.read <= 3 * count


def test_a_cycle_beside_a_root_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a path from every joint to a root.*got 2"):
        chain((0, 0, 3, 2))


def test_minus_one_marks_a_root_as_many_layouts_do() -> None:
    plain = chain((0, 0, 1, 1)).as_plain()
    assert Layout.from_plain(plain | {"parents": [-1, 0, 1, 1]}) == Layout.from_plain(plain)
    with pytest.raises(ConfigError, match=r"layout.parents: expected a joint's index, 0 to 3, got -2"):
        Layout.from_plain(plain | {"parents": [-2, 0, 1, 1]})


@pytest.mark.parametrize(
    ("layout", "digest"),
    [
        (KINECT_V2, "14d9acd1ac2a293c267acc09bdb76d504c4888ef40ecb09e60005c3b3cb94a8e"),
        (KINECT_V1, "4b99675dae72b801b95f911ac8acb823a1ad0380b0f2f2a3a4a120af0b63e416"),
    ],
)
def test_the_plain_form_that_digests_of_stores_rest_on_stays_as_it_was(layout: Layout, digest: str) -> None:
    assert sha256(json.dumps(layout.as_plain()).encode()).hexdigest() == digest


def test_a_point_is_a_joint_or_the_midpoint_of_several() -> None:
    layout = Layout(
        name="open", joints=tuple("abcd"), parents=(0, 0, 0, 0), centre=(0, 1), z_axis=((0, 1), 2), x_axis=(3, 2)
    )
    assert (layout.centre_joint, KINECT_V2.centre_joint) == (None, 1)
    pose = np.random.default_rng(0).standard_normal((5, 2, 4, 3)).astype(np.float32)
    a, b, c, d = pose.transpose(2, 0, 1, 3)
    np.testing.assert_allclose(layout.centre_of(pose), (a + b) / 2, rtol=1e-6)
    np.testing.assert_allclose(layout.z_line(pose), c - (a + b) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layout.x_line(pose), c - d)
    assert layout.centre_of(pose).dtype == np.float32


def test_a_point_is_nan_where_a_joint_that_it_needs_is_missing() -> None:
    layout = Layout(
        name="open", joints=tuple("abcd"), parents=(0, 0, 0, 0), centre=(0, 1), z_axis=((0, 1), 2), x_axis=(3, 2)
    )
    pose = np.ones((2, 4, 3), np.float32)
    pose[0, 1] = np.nan
    assert np.isnan(layout.centre_of(pose)[0]).all()
    assert np.isnan(layout.z_line(pose)[0]).all()
    assert not np.isnan(layout.x_line(pose)).any()
    assert not np.isnan(layout.z_line(pose)[1]).any()
