from __future__ import annotations

from typing import Any

import pytest

from hico_platform.data.layout import Layout
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
