from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.npy import map_array
from hico_platform.errors import DataError


def refusal(file: Path) -> str:
    with pytest.raises(DataError) as raised:
        map_array(file)
    text = str(raised.value)
    assert text.startswith(f"{file}: expected an .npy array, got ")
    return text


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((2, 3), np.float32))])
def test_an_array_is_mapped_and_not_to_be_changed(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    mapped = map_array(tmp_path / "a.npy")
    assert isinstance(mapped, np.memmap)
    assert mapped.dtype == array.dtype
    np.testing.assert_array_equal(mapped, array)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


def test_objects_are_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1], [1, 2]], dtype=object), allow_pickle=True)
    assert "an array of objects'; save numbers" in refusal(tmp_path / "a.npy")


def test_another_kind_of_file_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.ones(3))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    assert "array" in refusal(tmp_path / "a.npy")


def test_a_header_that_promises_more_than_the_file_has_takes_no_memory(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole.replace(b"(3,), }", b"(3" + b"0" * 14 + b",), }").replace(b" " * 14, b"", 1))
    refusal(tmp_path / "a.npy")


@pytest.mark.parametrize("kept", [0, 5, 9, 60])
def test_a_file_that_was_cut_off(tmp_path: Path, kept: int) -> None:
    np.save(tmp_path / "a.npy", np.ones(30))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:kept])
    refusal(tmp_path / "a.npy")
