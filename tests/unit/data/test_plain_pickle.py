from __future__ import annotations

import bz2
import gzip
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hico_platform.data import plain_pickle
from hico_platform.data.pickled_array import Blob, StoredArray, brief
from hico_platform.data.plain_pickle import read_plain_pickle
from hico_platform.errors import DataError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def round_trip(path: Path, value: Any, protocol: int = 4) -> Any:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return read_plain_pickle(path)


PLAIN: dict[str, Any] = {
    "none": None, "flags": [True, False], "numbers": [0, -1, 255, 70000, -(2**40), 2**80, 1.5, -0.25],
    "texts": ["", "S001C001", "Ärger", "x" * 3000], "bytes": b"\x00\xff", "nested": {"a": [{"b": []}], 3: {}},
}  # fmt: skip


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_back(tmp_path: Path, protocol: int) -> None:
    assert round_trip(tmp_path / "p", PLAIN, protocol) == PLAIN
    assert round_trip(tmp_path / "p", OrderedDict(a=1), protocol) == {"a": 1}
    assert round_trip(tmp_path / "p", (["a", "b"], [1, 2]), protocol) == [["a", "b"], [1, 2]]
    same = ["shared"]
    assert round_trip(tmp_path / "p", [same, same], protocol) == [["shared"], ["shared"]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8", "|u1", "|b1", "<U5"])
@pytest.mark.parametrize("size", [3, 900])
def test_arrays_come_back_and_long_ones_stay_in_the_file(tmp_path: Path, protocol: int, dtype: str, size: int) -> None:
    array = (np.random.default_rng(0).standard_normal((2, size, 3)) * 50).astype(dtype)
    found = round_trip(tmp_path / "p", {"x": array, "f": np.asfortranarray(array)}, protocol)
    swapped = round_trip(tmp_path / "swapped", array.swapaxes(0, 1).copy("K"), protocol)
    np.testing.assert_array_equal(swapped.load(tmp_path / "swapped"), array.swapaxes(0, 1))
    for key in ("x", "f"):
        assert isinstance(found[key], StoredArray)
        np.testing.assert_array_equal(found[key].load(tmp_path / "p"), array)
    if size == 900 and protocol:
        assert isinstance(found["x"].content, Blob)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_numbers_come_back(tmp_path: Path, protocol: int) -> None:
    assert round_trip(tmp_path / "p", [np.int64(7), np.float32(0.5)], protocol) == [7, 0.5]


class Harm:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_code_is_refused_by_name_and_never_run(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "witness"
    with pytest.raises(
        DataError,
        match=r"plain containers alone, got 'posix\.system'; ask .* do not trust this file: nothing of it was run",
    ):
        round_trip(tmp_path / "p", [Harm(os.system, f"touch {witness}")], protocol)
    with pytest.raises(DataError, match=r"got '(builtins|__builtin__)\.eval'"):
        round_trip(tmp_path / "p", {"a": Harm(eval, "1")}, protocol)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (np.array([{}, []], object), "an array of (O8|objects)"),
        (np.zeros(2, [("a", "f4")]), "an array of V4"),
        (Path("x"), "pathlib"),
        (memoryview, "builtins.memoryview"),
        (np.ndarray, "a bare ndarray"),
        (Harm(np.lib.format.open_memmap, "x"), "numpy"),
    ],
)
def test_what_is_not_plain_is_refused_by_name(tmp_path: Path, value: Any, named: str) -> None:
    with pytest.raises(DataError, match=f"numpy arrays and plain containers alone, got '.*{named}"):
        round_trip(tmp_path / "p", value)


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"not a pickle", b"\x80\x04.", b"0.", b"(", b"\x80\x04]e.", b"\x8e" + b"\xff" * 8]
)
def test_what_is_no_pickle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(DataError, match=r"/p: expected a whole pickle, got .*; get the file again"):
        read_plain_pickle(tmp_path / "p")


def lying(shape: tuple[int, ...], content: bytes) -> StoredArray:
    return StoredArray(stored_shape=shape, dtype="<f4", fortran=False, content=content, axes=tuple(range(len(shape))))


def test_a_torn_pickle_and_a_lying_shape(tmp_path: Path) -> None:
    whole = pickle.dumps({"x": np.zeros((40, 40))})
    (tmp_path / "p").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="a whole pickle"):
        read_plain_pickle(tmp_path / "p")
    with pytest.raises(DataError, match=r"as many values as its shape, got '2 for \[1099511627775, 3\]'"):
        lying((2**40 - 1, 3), bytes(8)).load(tmp_path / "p")
    with pytest.raises(DataError, match="as many values as its shape, got '0 for"):
        lying((3,), bytes(7)).load(tmp_path / "p")


def test_an_endless_program_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_pickle, "MOST_BYTES", 10_000)
    with pytest.raises(DataError, match="more than 10000 bytes beside its arrays"):
        round_trip(tmp_path / "p", list(range(2000)))
    with pytest.raises(DataError, match="more than 10000 bytes beside its arrays"):
        round_trip(tmp_path / "p", ["x" * 900, *(letter * 1000 for letter in "abcdefghijk")])


DOUBLED = b")" + b"2\x86" * 100
"""A tuple of a tuple twice, and so on: 2^100 of them to whoever follows each."""


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"}" + DOUBLED + b"Ns", "a tuple as a key"),
        (b"}(" + DOUBLED + b"Nu", "a tuple as a key"),
        (b"(" + DOUBLED + b"Nd", "a tuple as a key"),
        (b"ccollections\nOrderedDict\n]" + DOUBLED + b"N\x86a\x85R", "a tuple as a key"),
        (DOUBLED + b")R", "a call of tuple"),
        (DOUBLED + b"\x8c\x01x\x93", "a name that is no text"),
        (b"cnumpy\ndtype\n" + DOUBLED + b"\x85R", "an array of tuple"),
        (b"cnumpy.core.multiarray\n_reconstruct\n" + DOUBLED + b"\x85R", "got 'tuple'"),
        (b"c_codecs\nencode\n" + DOUBLED + b"2\x86R", "_codecs.encode to tuple"),
    ],
)
def test_what_would_take_for_ever_is_refused(tmp_path: Path, program: bytes, message: str) -> None:
    (tmp_path / "p").write_bytes(b"\x80\x04" + program + b".")
    with pytest.raises(DataError, match=message):
        read_plain_pickle(tmp_path / "p")


def test_what_is_shared_stays_shared(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"\x80\x04" + DOUBLED + b".")
    found, depth = read_plain_pickle(tmp_path / "p"), 0
    while found:
        assert found[0] is found[1]
        found, depth = found[0], depth + 1
    assert depth == 100


@pytest.mark.parametrize("value", [[[1]], 1 << 20_000, "x" * 10_000], ids=["list", "int", "text"])
def test_a_value_is_told_in_brief(value: object) -> None:
    assert brief(value) == type(value).__name__
    assert (brief("walk"), brief(-1), brief(None)) == ("walk", -1, None)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_pickle_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = bytearray(
        pickle.dumps([PLAIN, np.arange(6.0), np.int64(1)], protocol=data.draw(st.sampled_from(PROTOCOLS)))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole)))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.mktemp("damaged") / "p"
    path.write_bytes(whole)
    try:
        read_plain_pickle(path)
    except DataError:
        return


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sets_come_as_lists(tmp_path: Path, protocol: int) -> None:
    found = round_trip(tmp_path / "p", {"a": {"x", "y"}, "b": frozenset([1]), "c": set()}, protocol)
    assert {key: sorted(value) for key, value in found.items()} == {"a": ["x", "y"], "b": [1], "c": []}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(pickle.dumps([1]), mtime=0), "expected a pickle, got 'a gzip file'; unpack it first, .* gunzip"),
        (bz2.compress(pickle.dumps([1])), "expected a pickle, got 'a bzip2 file'; unpack it first, .* bunzip2"),
        (b"version https://git-lfs.github.com/spec/v1\n", "got 'a pointer of Git LFS'; fetch the file itself"),
        (b"PK\x03\x04rest", r"got 'a zip archive \(an .npz is one\)'"),
    ],
    ids=["gzip", "bzip2", "lfs", "zip"],
)
def test_another_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_plain_pickle(tmp_path / "p")


@pytest.mark.parametrize("called", [b"cbuiltins\nset\n", b"ccollections\nOrderedDict\n"])
def test_copies_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: bytes) -> None:
    monkeypatch.setattr(plain_pickle, "MOST_BYTES", 1_000_000)
    pairs = b"](" + b"".join(b"(J" + i.to_bytes(4, "little") + b"K\x01l" for i in range(1000)) + b"eq\x00"
    copies = b"0" + (called + b"h\x00\x85R") * 300
    (tmp_path / "p").write_bytes(b"\x80\x04" + pairs + copies + b".")
    with pytest.raises(DataError, match="more than 1000000 bytes beside its arrays"):
        read_plain_pickle(tmp_path / "p")
