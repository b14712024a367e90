from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.config.layout_file import find_layout
from hico_platform.data.layout import KINECT_V1
from hico_platform.data.layouts import LAYOUTS
from hico_platform.errors import ConfigError

LAYOUT = """\
name: stick
joints: [hip, chest, head, left, right]
parents: [0, 0, 1, 1, 1]
centre: 1
z_axis: [0, 1]
x_axis: [3, 4]
"""


def test_a_layout_by_name_and_from_a_file(tmp_path: Path) -> None:
    assert find_layout("kinect-v1") is find_layout("ucla") is KINECT_V1
    (tmp_path / "stick.yaml").write_text(LAYOUT)
    layout = find_layout(str(tmp_path / "stick.yaml"))
    assert (layout.joints[1], layout.parents, layout.x_axis) == ("chest", (0, 0, 1, 1, 1), (3, 4))


def test_a_layout_file_may_give_midpoints(tmp_path: Path) -> None:
    text = LAYOUT.replace("centre: 1", "centre: [3, 4]").replace("z_axis: [0, 1]", "z_axis: [[0], [3, 4]]")
    (tmp_path / "stick.yaml").write_text(text)
    layout = find_layout(str(tmp_path / "stick.yaml"))
    assert (layout.centre, layout.z_axis, layout.x_axis) == ((3, 4), (0, (3, 4)), (3, 4))
    assert type(layout).from_plain(json.loads(json.dumps(layout.as_plain()))) == layout


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_layout_survives_json(name: str) -> None:
    layout = LAYOUTS[name]
    assert type(layout).from_plain(json.loads(json.dumps(layout.as_plain()))) == layout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("centre: 1", "center: 1", "stick.yaml:4: center: expected no key of this name; give exactly centre"),
        ("centre: 1", "centre: 9", "stick.yaml:4: centre: expected a joint's index, 0 to 4, got 9"),
        ("centre: 1", "centre: hip", "stick.yaml:4: centre: expected a joint's index, or a list of joints"),
        ("centre: 1", "centre: [1, 1]", r"stick.yaml:4: centre: expected .* each once, .* got \[1, 1\]"),
        ("centre: 1", "centre: [1, 9]", "stick.yaml:4: centre: expected a joint's index, 0 to 4, got 9"),
        (
            "[0, 0, 1, 1, 1]",
            "[0, 0, 1]",
            "stick.yaml:3: parents: expected a list of 5, one parent for each joint, got 3",
        ),
        ("[0, 0, 1, 1, 1]", "[0, 0, 1, 1, 5]", "stick.yaml:3: parents: expected a joint's index, 0 to 4, got 5"),
        ("[0, 0, 1, 1, 1]", "[1, 0, 1, 1, 1]", "stick.yaml:3: parents: expected a path from every joint to a root"),
        ("[0, 1]", "[0, 1, 2]", "stick.yaml:5: z_axis: expected a pair of points, from and to"),
        ("[0, 1]", "[0, up]", "stick.yaml:5: z_axis: expected a joint's index, or a list of joints"),
        ("[0, 1]", "[0, []]", "stick.yaml:5: z_axis: expected a joint's index, or a list of joints"),
        ("[3, 4]", "[3, [4, 7]]", "stick.yaml:6: x_axis: expected a joint's index, 0 to 4, got 7"),
        ("name: stick", "name: 3", "stick.yaml:1: name: expected a text, got 3"),
        ("[hip, chest, head, left, right]", "5", "stick.yaml:2: joints: expected a list of names, got 5"),
    ],
)
def test_a_wrong_layout_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "stick.yaml").write_text(LAYOUT.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        find_layout(str(tmp_path / "stick.yaml"))


def test_an_unknown_layout_and_a_file_that_holds_none(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"layout: expected one of kinect-v2, kinect-v1, .*, or a YAML file, got 'kinect'"
    ):
        find_layout("kinect")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(
        ConfigError, match=r"list.yaml:1: expected a mapping of a layout's keys; see `hico-platform help data l"
    ):
        find_layout(str(tmp_path / "list.yaml"))
