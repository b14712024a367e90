"""CTR-GCN / MAMP: one npz with x_train, x_test (N, 300, 150) and y_train, y_test, one-hot or numbers of classes.

A row is (frame, body, joint, coordinate), padded with zeros. Uncompressed members of the archive are read in place,
compressed ones are unpacked row by row, so the memory does not depend on the sizes that an archive claims.
"""

from __future__ import annotations

import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.file_kind import file_kind
from hico_platform.data.layout import Layout
from hico_platform.data.npy import BROKEN_HEADER
from hico_platform.data.readers._base import MOST_CLASSES, MOST_VALUES, Item, ReadOptions, ReadPlan, clean
from hico_platform.data.readers.padded import ROWS_AN_ITEM, shown_bodies
from hico_platform.data.readers.split_parts import split_parts
from hico_platform.data.sequence import MOST_FRAMES, MissingJoint, Sequence, Unit
from hico_platform.data.whole_number import whole_number
from hico_platform.errors import DataError, Problem

MOST_EXPANSION = 200
# Small members may expand by any factor, so may one-hot labels, which are almost all zeros (NTU-120's: 350 times).
_FREE_POSE_BYTES = 16 * 2**20
_FREE_LABEL_BYTES = 2**30
_PACKED_ITEMS = 8  # of a compressed part: each unpacks all rows before it again, in total 4.5 times the whole
_MOST_ROWS = 10_000_000
_WORDS = ("train", "val", "valid", "test")  # x_WORD and y_WORD
_BROKEN = (*BROKEN_HEADER, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


@dataclass(frozen=True, kw_only=True)
class Member:
    """An array in an archive."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    start: int | None
    """The byte offset of its values in the archive; None if they are compressed."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, kw_only=True)
class CTRGCN:
    """An archive; its members' headers were read, their values not yet."""

    dataset: str
    layout: Layout
    class_names: tuple[str, ...]
    file: Path
    parts: Mapping[str, str]
    """Word of an array, such as ``train`` in ``x_train``, to the part of the split."""
    coordinates: int = 3
    unit: Unit = Unit.M
    normalised: bool = False
    missing_joint: MissingJoint = MissingJoint.ZERO
    protocols: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> ReadPlan:
        """Items of a few rows; only few items if a member is compressed, because it can be read only from its start."""
        arrays = [(word, *_members(self.file, word, self.layout)) for word in self.parts]
        packed = any(member.start is None for _, *members in arrays for member in members)
        items = []
        for word, poses, labels in arrays:
            step = max(ROWS_AN_ITEM, -(-poses.shape[0] // _PACKED_ITEMS)) if packed else ROWS_AN_ITEM
            for first in range(0, poses.shape[0], step):
                last = min(first + step, poses.shape[0])
                items.append(Item(file=self.file, value=(word, poses, labels, first, last)))
        return ReadPlan(items=items, problems=[], items_a_chunk=1 if packed else ReadPlan.items_a_chunk)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The sequences of some rows."""
        word, poses, labels, first, last = item.value
        joints = len(self.layout.joints)
        pairs = zip(_rows(self.file, poses, first, last), _rows(self.file, labels, first, last), strict=True)
        for i, (row, label_row) in enumerate(pairs, start=first):
            try:
                pose = row.reshape(len(row), -1, joints, 3)  # (T, M, J, C)
                pose = clean(pose, file=self.file, line=None, missing=self.missing_joint, unit=self.unit)
                label = _label(label_row, self.file)
            except DataError as error:
                for found in error.problems:
                    yield Problem(file=found.file, field=f"x_{word}[{i}]", rule=found.rule, value=found.value,
                                  remedy=found.remedy)  # fmt: skip
                continue
            metadata = {"split": self.parts[word]}
            yield Sequence(name=f"{word}-{i:06d}", label=label, pose=shown_bodies(pose), metadata=metadata)


def open_source(raw: Path, options: ReadOptions) -> CTRGCN:
    """The archive at ``raw``. Raises DataError if it is not one, lacks an array, or expands too much."""
    if not raw.is_file():
        raise DataError(Problem(file=raw, rule="a file", remedy="give the .npz itself"))
    parts = _parts(raw)
    labels = [_members(raw, word, options.layout)[1] for word in parts]
    numbers = [_number_of_classes(raw, member) for member in labels]
    hot = {count for member, count in zip(labels, numbers, strict=True) if _is_one_hot(member)}
    if len(hot) > 1 or (hot and not all(map(_is_one_hot, labels))):
        raise DataError(
            Problem(file=raw, rule="the same number of classes in y_train and y_test", value=sorted(set(numbers)),
                    remedy="get the file again")
        )  # fmt: skip
    return CTRGCN(
        dataset=raw.stem,
        layout=options.layout,
        unit=options.unit_read,
        class_names=tuple(str(label) for label in range(max(numbers))),
        file=raw,
        parts=parts,
    )


def _parts(file: Path) -> dict[str, str]:
    """The arrays x_WORD of an archive, word to part. Raises DataError if there are none for training or the test."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except _BROKEN as error:
        kind = file_kind(file)
        raise _unreadable(file, "x_train", str(error) if kind is None else kind.name) from None
    parts = split_parts(word for word in _WORDS if f"x_{word}.npy" in names)
    for part in ("train", "test"):
        if part not in parts.values():
            raise _unreadable(file, f"x_{part}", "no array of this name")
    return parts


def _is_one_hot(labels: Member) -> bool:
    return len(labels.shape) == 2 and labels.shape[1] > 1


def _number_of_classes(file: Path, labels: Member) -> int:
    """The width of one-hot labels; else one more than the largest class."""
    if _is_one_hot(labels):
        return labels.shape[1]
    whole = replace(labels, shape=(1, *labels.shape))
    values = next(_rows(file, whole, 0, 1)).reshape(-1)
    classes = values[(values >= 0) & (values < MOST_CLASSES)]
    return int(classes.max(initial=-1)) + 1


def _members(file: Path, word: str, layout: Layout) -> tuple[Member, Member]:
    poses = _member(file, f"x_{word}", free_bytes=_FREE_POSE_BYTES)
    labels = _member(file, f"y_{word}", free_bytes=_FREE_LABEL_BYTES)
    width = len(layout.joints) * 3
    if len(poses.shape) != 3 or poses.shape[2] == 0 or poses.shape[2] % width or poses.shape[1] > MOST_FRAMES:
        raise DataError(
            Problem(file=file, field=poses.name, rule=f"an array (N, T, M*{width})", value=list(poses.shape),
                    remedy=f"name another layout than {layout.name}, or another file")
        )  # fmt: skip
    if poses.shape[1] * poses.shape[2] > MOST_VALUES:
        raise DataError(
            Problem(file=file, field=poses.name, rule=f"at most {MOST_VALUES} coordinates a recording",
                    value=poses.shape[1] * poses.shape[2], remedy="cut the recordings into actions")
        )  # fmt: skip
    count = poses.shape[0]
    if labels.shape != (count,) and (len(labels.shape) != 2 or labels.shape[0] != count
                                     or not 1 <= labels.shape[1] <= MOST_CLASSES):  # fmt: skip
        raise DataError(
            Problem(file=file, field=labels.name, rule=f"a one-hot array ({count}, classes), or an array ({count},)",
                    value=list(labels.shape), remedy="get the file again")
        )  # fmt: skip
    return poses, labels


def _member(file: Path, name: str, *, free_bytes: int) -> Member:
    try:
        with zipfile.ZipFile(file) as archive:
            info = archive.getinfo(f"{name}.npy")
            if info.file_size > free_bytes and info.file_size > MOST_EXPANSION * info.compress_size:
                raise DataError(
                    Problem(file=file, field=name, rule=f"an array that expands at most {MOST_EXPANSION} times",
                            value=f"{info.compress_size} to {info.file_size} bytes",
                            remedy="get the file from its source: this looks like a zip bomb")
                )  # fmt: skip
            with archive.open(info) as stream:
                shape, dtype = _header(stream)
                start = stream.tell()
            member = Member(name=name, shape=shape, dtype=dtype.str, start=None)
            if not shape or shape[0] > _MOST_ROWS or start + shape[0] * member.row_bytes != info.file_size:
                raise ValueError(f"{info.file_size} bytes for the shape {shape}")
            if info.compress_type != zipfile.ZIP_STORED:
                return member
            with file.open("rb") as raw:
                raw.seek(info.header_offset)
                local = raw.read(30)
            lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
            return Member(name=name, shape=shape, dtype=dtype.str, start=info.header_offset + 30 + lengths + start)
    except KeyError:
        raise _unreadable(file, name, "no array of this name") from None
    except _BROKEN as error:
        raise _unreadable(file, name, str(error)) from None


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns about damaged headers
        shape, fortran, dtype = read(stream)
    if fortran or dtype.kind not in "fiu":
        raise ValueError(f"an array of {dtype}" + (" in Fortran order" if fortran else ""))
    return shape, dtype


def _rows(file: Path, member: Member, first: int, last: int) -> Iterator[npt.NDArray[Any]]:
    """Rows ``first`` to ``last``, one at a time."""
    try:
        if member.start is not None:
            with file.open("rb") as stream:
                stream.seek(member.start + first * member.row_bytes)
                yield from _take(stream, member, last - first)
            return
        with zipfile.ZipFile(file) as archive, archive.open(f"{member.name}.npy") as packed:
            _header(packed)
            packed.seek(first * member.row_bytes, os.SEEK_CUR)  # unpacks and discards
            yield from _take(packed, member, last - first)
    except _BROKEN as error:
        raise _unreadable(file, member.name, str(error)) from None


def _take(stream: IO[bytes], member: Member, count: int) -> Iterator[npt.NDArray[Any]]:
    for _ in range(count):
        raw = stream.read(member.row_bytes)
        if len(raw) < member.row_bytes:
            raise EOFError("the archive ends too early")
        yield np.frombuffer(raw, member.dtype).reshape(member.shape[1:])


def _label(row: npt.NDArray[Any], file: Path) -> int:
    """The class of a row of labels: one-hot, or the number itself."""
    if row.size == 1:
        label = whole_number(row.item())
        if label is None or not 0 <= label < MOST_CLASSES:
            raise _no_label(file, f"a label that is a whole number, 0 to {MOST_CLASSES - 1}", row.item())
        return label
    classes = np.flatnonzero(row)
    if len(classes) != 1 or row[classes[0]] != 1:
        raise _no_label(file, "a label of one 1 among zeros", row[classes][:5].tolist())
    return int(classes[0])


def _no_label(file: Path, rule: str, value: object) -> DataError:
    return DataError(Problem(file=file, rule=rule, value=value, remedy="correct or leave out this recording"))


def _unreadable(file: Path, name: str, value: str) -> DataError:
    return DataError(
        Problem(file=file, field=name, rule="an array that can be read", value=value,
                remedy="give an archive that holds x_train, y_train, x_test, y_test")
    )  # fmt: skip


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does."""
    return "an .npz archive" if raw.is_file() and raw.suffix == ".npz" else None
