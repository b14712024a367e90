"""Arrays as numpy pickles them; test_plain_pickle.py reads whole files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.pickled_array import (
    CALLS,
    NAMES,
    Blob,
    Name,
    PickledArray,
    PickledDtype,
    Refused,
    StoredArray,
    brief,
    named,
    plain_key,
)
from hico_platform.errors import DataError

DTYPE = CALLS[Name("numpy", "dtype")]
ENCODE = CALLS[Name("_codecs", "encode")]
SCALAR = CALLS[Name("numpy._core.multiarray", "scalar")]
FROMBUFFER = CALLS[Name("numpy._core.numeric", "_frombuffer")]
RECONSTRUCT = CALLS[Name("numpy._core.multiarray", "_reconstruct")]
NOWHERE = Path("/nowhere")


def stored(shape: tuple[int, ...], content: bytes | Blob, *, dtype: str = "<f4", fortran: bool = False) -> StoredArray:
    array = PickledArray()
    array.build((1, shape, PickledDtype(dtype), fortran, content))
    assert array.stored is not None
    return array.stored


@pytest.mark.parametrize("fortran", [False, True])
def test_an_array_by_its_bytes_in_either_order(fortran: bool) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = stored((2, 3), array.tobytes("F" if fortran else "C"), fortran=fortran)
    assert found.shape == (2, 3)
    np.testing.assert_array_equal(found.load(NOWHERE), array)


def test_a_large_array_is_read_from_its_place_in_the_file(tmp_path: Path) -> None:
    array = np.arange(100, dtype="<f4")
    text = array.tobytes().decode("latin-1").encode("utf-8")
    (tmp_path / "a.pkl").write_bytes(b"before" + array.tobytes() + text)
    start = 6 + array.nbytes
    for blob in (
        Blob(start=6, size=array.nbytes, as_text=False),
        Blob(start=start, size=len(text), as_text=True),
    ):
        np.testing.assert_array_equal(stored((100,), blob).load(tmp_path / "a.pkl"), array)


def test_axes_in_another_order() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = FROMBUFFER(array.tobytes(), PickledDtype("<f4"), (2, 3), "K", (1, 0)).stored
    assert found.shape == (3, 2)
    np.testing.assert_array_equal(found.load(NOWHERE), array.T)


@pytest.mark.parametrize("content", [b"", b"\0" * 20, b"\0" * 23, b"\0" * 28])
def test_other_bytes_than_the_shape_needs(content: bytes) -> None:
    with pytest.raises(DataError, match=r"as many values as its shape, got '\d+ for \[2, 3\]'"):
        stored((2, 3), content).load(NOWHERE)


@pytest.mark.parametrize("shape", [(-1,), (2**40,), ("2",), (2.0,), (1,) * 33])
def test_a_shape_that_no_array_has(shape: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="of no possible shape"):
        stored(shape, b"")  # type: ignore[arg-type]


@pytest.mark.parametrize("axes", [(0, 0), (0,), (0, 2), ("0", "1")])
def test_axes_that_are_no_order(axes: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="the axes of an array"):
        FROMBUFFER(b"", PickledDtype("<f4"), (2, 3), "K", axes)


def test_objects_are_refused() -> None:
    with pytest.raises(Refused, match="an array of objects"):
        stored((2,), [1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="without a dtype"):
        PickledArray().build((1, (2,), "<f4", False, b""))


@pytest.mark.parametrize(
    ("name", "dtype"), [("f4", "<f4"), (b"i8", "<i8"), ("b1", "|b1"), ("U3", "<U3"), ("S2", "|S2")]
)
def test_dtypes_of_numbers_and_text(name: str | bytes, dtype: str) -> None:
    assert DTYPE(name, False, True).name == dtype


@pytest.mark.parametrize("name", ["O8", "O", "V8", "M8", "f4,f4", "", 4])
def test_other_dtypes_are_refused(name: object) -> None:
    with pytest.raises(Refused, match="an array of"):
        DTYPE(name)


def test_the_byte_order_is_the_states() -> None:
    dtype = DTYPE("f4")
    dtype.build((3, ">", None))
    assert dtype.name == ">f4"
    with pytest.raises(ValueError, match="a byte order x"):
        dtype.build((3, "x", None))


def test_a_number() -> None:
    assert SCALAR(DTYPE("i8"), (7).to_bytes(8, "little")) == 7
    assert isinstance(SCALAR(DTYPE("f8"), np.float64(0.5).tobytes()), float)
    with pytest.raises(ValueError, match="a number of many bytes"):
        SCALAR(DTYPE("i8"), Blob(start=0, size=8, as_text=False))


def test_bytes_that_were_pickled_as_text() -> None:
    assert ENCODE("\xff\x00", "latin1") == b"\xff\x00"
    with pytest.raises(Refused, match=r"_codecs\.encode to rot13"):
        ENCODE("x", "rot13")
    with pytest.raises(ValueError, match="text to encode that is none"):
        ENCODE(3, "latin1")


def test_only_an_array_is_constructed() -> None:
    assert RECONSTRUCT(Name("numpy", "ndarray"), (0,), b"b") == PickledArray()
    with pytest.raises(Refused, match=r"os\.system"):
        RECONSTRUCT(Name("os", "system"), (0,), b"b")
    assert {name.module.partition(".")[0] for name in NAMES} == {
        "numpy", "_codecs", "collections", "builtins", "__builtin__",
    }  # fmt: skip


def test_messages_show_no_endless_value() -> None:
    assert brief("short") == "short"
    assert brief("x" * 500) == "str"
    assert brief([1, 2]) == "list"
    assert named(Name("os", "system")) == "os.system"
    assert named({}) == "dict"


def test_keys_are_cheap_to_hash() -> None:
    for key in ("a", b"a", 1, 0.5, None):
        assert plain_key(key) == key
    with pytest.raises(Refused, match="a tuple as a key"):
        plain_key((1, 2))
