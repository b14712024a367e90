from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.config.table_map_file import find_table_map, shipped_maps
from hico_platform.data.anatomy import joint_key
from hico_platform.data.layouts import LAYOUTS
from hico_platform.errors import ConfigError


def test_every_map_that_ships_is_sound() -> None:
    assert list(shipped_maps()) == ["azure-kinect", "irds", "kimore", "mediapipe", "msrc-12"]
    for name in shipped_maps():
        found = find_table_map(name)
        layout = LAYOUTS[found.layout or ""]
        names = found.joints or layout.joints
        assert [*map(joint_key, names)] == [*map(joint_key, layout.joints)]


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text('name: "(?P<label>[0-9])"\nclasses: {1: walk, 0: sit}\ncsv:\n  separator: ";"\n')
    found = find_table_map(str(file))
    assert (found.files, dict(found.classes)) == ("*.csv", {"1": "walk", "0": "sit"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("csv:\n  header: 1\n", "mine.yaml:2: csv.header: expected true or false, got 1; correct the map"),
        ("csv: {}\nfoo: 1\n", "mine.yaml:2: foo: expected one of the keys files, name"),
        (
            "- csv\n",
            r"expected a mapping of a map's keys; write keys such as files, joints and unit, as in /.*pipe\.yaml",
        ),
        ("csv:\n  columns: x\n", r"mine.yaml:2: csv.columns: expected a column's name with \{joint\}"),
    ],
)
def test_a_mistake_is_named_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        find_table_map(str(file))


def test_an_unknown_name() -> None:
    with pytest.raises(ConfigError, match=r"map: expected one of azure-kinect, .* or a YAML file, got 'octopus'"):
        find_table_map("octopus")
