from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.json_file import array_of_lists, read_json
from hico_platform.errors import DataError


def test_a_file_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    for name, start in (("plain.json", b""), ("marked.json", b"\xef\xbb\xbf")):
        (tmp_path / name).write_bytes(start + json.dumps({"a": "é"}).encode())
        assert read_json(tmp_path / name) == {"a": "é"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a":\n 1,\n}', "x.json:3: expected a JSON file, got 'Expecting property name"),
        (b"\xff", 'x.json: expected a JSON file, got "UnicodeDecodeError'),
        (b"[" * 100_000, "x.json: expected a JSON file, got 'RecursionError"),
        (b"1" * 5000, "x.json: expected a JSON file, got 'ValueError"),
        (b"[" + b"1," * 5000 + b"1]", "x.json: expected a JSON file of at most 6000 bytes, got 10003"),
    ],
)
def test_what_is_none_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataError) as error:
        read_json(tmp_path / "x.json", most_bytes=200_000 if content[:2] == b"[[" else 6000)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("value", "shape", "expected"),
    [
        ([[1, 2.5], [None, 4]], (2, 2), [[1, 2.5], [np.nan, 4]]),
        ([[1, 2], [3, 4], [5, 6]], (None, 2), [[1, 2], [3, 4], [5, 6]]),
        ([], (None, 3), np.zeros((0, 3))),
        ([[1, 2]], (1, 3), None),
        ([[1, 2], [3]], (None, None), None),
        ([1, [2]], (None,), None),
        (["1", 2], (2,), None),
        ([True, 2], (2,), None),
        ([10**400], (1,), None),
        (1, (1,), None),
    ],
)
def test_lists_of_lists_are_an_array_of_that_shape_alone(
    value: Any, shape: tuple[int | None, ...], expected: Any
) -> None:
    found = array_of_lists(value, shape)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        np.testing.assert_array_equal(found, np.array(expected, float))
