from __future__ import annotations

from typing import Any

import pytest

from hico_platform.data.table_map import TableMap
from hico_platform.errors import ConfigError


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, r"map.csv: expected one of the keys csv, json, bvh, amc, got \[\]"),
        ({"csv": {}, "json": {}}, "map.csv: expected one of the keys csv, json, bvh, amc"),
        ({"csv": {}, "unit": "foot"}, "map.unit: expected one of m, mm, cm, in, got 'foot'"),
        ({"csv": {}, "unit": []}, "map.unit: expected one of m, mm, cm, in"),
        ({"csv": {}, "scale": 0}, "map.scale: expected a number above 0, got 0"),
        ({"csv": {}, "missing": []}, "map.missing: expected one of zero, nan"),
        ({"csv": {"separator": "::"}}, "map.csv.separator: expected a character, or space, got '::'"),
        ({"csv": {"colour": 1}}, "map.csv.colour: expected one of the keys separator, header"),
        ({"csv": {"columns": "x"}}, "map.csv.columns: expected a column's name with {joint}"),
        ({"csv": {"joint": "j"}}, "map.csv.frame: expected the column of the frame, for a frame of several rows"),
        ({"csv": {"frame": 3}}, "map.csv.frame: expected a column's name, got 3"),
        ({"csv": {"frame": "t", "header": False}}, "a column's number from 0, without a header, got 't'"),
        ({"csv": {}, "name": "("}, r"map.name: expected a regular expression, got '\('"),
        ({"csv": {}, "axes": ["x", "x", "z"]}, "map.axes: expected a list of x, y and z, each once"),
        ({"csv": {}, "joints": ["a", "a"]}, "map.joints: expected a list of names, each once"),
        ({"csv": {}, "files": "../*"}, r"map.files: expected a pattern of file names"),
        ({"csv": {}, "files": "**x"}, r"map.files: expected a pattern of file names"),
        ({"csv": {}, "classes": {"a": 1}}, "map.classes: expected a mapping of labels to names of classes"),
    ],
)
def test_a_wrong_map_is_named(plain: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TableMap.from_plain(plain)
