from __future__ import annotations

import codecs
import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.file_kind import file_kind


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "an empty file"),
        (gzip.compress(b"x", mtime=0), "a gzip file"),
        (pickle.dumps([1]), "a pickle"),
        (b"x,y\n1,2\n", "a text file that begins with 'x,y'"),
        (codecs.BOM_UTF8 + "é".encode() * 400, f"a text file that begins with {'é' * 40!r}"),
        (codecs.BOM_UTF16_LE + "path".encode("utf-16-le"), "a text in UTF-16"),
        (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    ],
)
def test_a_file_is_named_by_its_first_bytes(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / "f").write_bytes(content)
    kind = file_kind(tmp_path / "f")
    assert kind is not None
    assert kind.name == name


def test_an_array_an_unknown_file_and_none(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    kind = file_kind(tmp_path / "a.npy")
    assert kind is not None
    assert kind.name == "an .npy array"
    (tmp_path / "f").write_bytes(b"\x00\x01\xff")
    assert file_kind(tmp_path / "f") is None
    assert file_kind(tmp_path / "absent") is None
    assert file_kind(tmp_path) is None
