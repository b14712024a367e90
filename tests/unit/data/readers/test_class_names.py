from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.data.readers import FORMATS, ReadOptions
from hico_platform.data.readers.class_names import read_class_names
from hico_platform.errors import DataError


def test_a_name_a_line(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xef\xbb\xbfdrink water\r\neat\r\n  brush teeth \n\n")
    assert read_class_names(tmp_path / "names.txt") == ("drink water", "eat", "brush teeth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names.txt:1: class-names: expected the name of a class, got 'an empty line'; give one name a line"),
        (b"a\n\nb\n", "names.txt:2: class-names: expected the name of a class, got 'an empty line'"),
        (b"a\nb\na\n", "names.txt:3: class-names: expected a name that no other class has, got 'a, as in line 1'"),
        (b"\xff\xfea", "class-names: expected a text file of one class name a line, got 'a text in UTF-16'"),
        (b"a" * 2**21, "class-names: expected a list of at most 1048576 bytes"),
        (b"\n".join(str(i).encode() for i in range(10_001)), "expected at most 10000 class names, got 10001"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_class_names(tmp_path / "names.txt")


def test_an_absent_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.txt: class-names: expected a text file .*No such file"):
        read_class_names(tmp_path / "absent.txt")


def test_every_format_takes_names_if_there_are_enough(tmp_path: Path) -> None:
    raw = tmp_path / "ntu"
    raw.mkdir()
    names = tuple(f"action {i}" for i in range(60))
    assert FORMATS["ntu60"](raw, ReadOptions(class_names=names)).class_names == names
    with pytest.raises(DataError, match=r"class-names: expected a name for each of the 60 classes of .*, got 59"):
        FORMATS["ntu60"](raw, ReadOptions(class_names=names[1:]))
