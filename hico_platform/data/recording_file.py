"""Reads recordings of joints from a file of their own, for a model that is trained already: no labels, no protocol.

``.npy`` one array (T, J, C) or (T, M, J, C); ``.npz`` several of them; ``.skeleton`` as NTU RGB+D; ``.csv`` a row for
each frame, with all coordinates of joint after joint; with a map of columns also what ``data prepare`` reads by it.
"""

from __future__ import annotations

import csv
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.axes import MOST_BODIES_RECORDED
from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.layouts import same_joints
from hico_platform.data.npy import BROKEN_HEADER, map_array
from hico_platform.data.readers._base import MOST_VALUES
from hico_platform.data.sequence import MOST_FRAMES, nan_where_zero
from hico_platform.data.skeleton_file import SUFFIX, BodyOrder, read_skeleton
from hico_platform.data.table_file import MOST_BYTES, read_table
from hico_platform.data.table_map import TableMap
from hico_platform.data.text_numbers import is_number
from hico_platform.errors import DataError, Problem

MOST_ARRAYS = 10_000
SUFFIXES = (".npy", ".npz", SUFFIX, ".csv")
_NO_NUMBER = ("", "nan", "na", "null", "none")
_MARKED_BROKEN = (*BROKEN_HEADER, zipfile.BadZipFile, NotImplementedError, RuntimeError)
"""What a damaged archive raises: an unknown compression, a password, and what damaged arrays do."""

Pose = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class NamedPose:
    """A recording: the file that it is from, with its name in an archive, and float32 (T, J, C) or (T, M, J, C)."""

    name: str
    pose: Pose


def read_recordings(
    file: Path,
    layout: Layout,
    *,
    coordinates: int,
    table: TableMap | None = None,
    bodies: BodyOrder = BodyOrder.FOLLOWED,
) -> tuple[NamedPose, ...]:
    """The recordings in a file, in its order.

    A missing joint of a ``.skeleton`` file, and an empty cell, are NaN; arrays are as they are. Nothing is unpickled.

    Args:
        file: its suffix says how it is read.
        layout: the skeleton that the numbers are of.
        coordinates: C, 3 or 2.
        table: how columns or keys become joints, for files that are no arrays and not NTU's.
        bodies: how those of a ``.skeleton`` file are told apart.

    Raises:
        DataError: it is missing, of another kind, damaged, too large, or of another skeleton.
    """
    if not file.exists():
        raise _wrong(file, "a file that exists", None, "check its path")
    if not stat.S_ISREG(file.stat().st_mode):  # reading from a pipe would block
        raise _wrong(file, "a file", "a folder, pipe or device", "give the files in it")
    suffix = file.suffix.lower()
    if suffix == ".npy":
        return (NamedPose(name=str(file), pose=_numbers(file, map_array(file))),)
    if suffix == ".npz":
        return _of_archive(file)
    if suffix == SUFFIX:
        return (NamedPose(name=str(file), pose=_of_skeleton(file, layout, bodies)),)
    if table is not None:
        if table.joints and len(table.joints) != len(layout.joints):
            raise _wrong(
                file,
                f"a recording of the {len(layout.joints)} joints of {layout.name}, which the model was trained on",
                f"a map of {len(table.joints)} joints",
                "give a map of the model's joints, or a model of the map's",
            )
        pose, _ = read_table(file, table, layout)
        return (NamedPose(name=str(file), pose=_numbers(file, pose)),)
    if suffix == ".csv":
        return (NamedPose(name=str(file), pose=_of_rows(file, layout, coordinates)),)
    raise _wrong(
        file,
        f"a file that ends in {', '.join(SUFFIXES)}",
        file.name,
        "give a map of its columns by --map, or save it as one of these",
    )


def _numbers(file: Path, array: npt.NDArray[Any]) -> Pose:
    if array.dtype.kind not in "fiu":
        raise _wrong(file, "an array of numbers", str(array.dtype), "save the coordinates as floats")
    if array.size > MOST_VALUES or (len(array.shape) and array.shape[0] > MOST_FRAMES):
        rule = f"a recording of at most {MOST_FRAMES:,} frames and {MOST_VALUES:,} coordinates"
        raise _wrong(file, rule, array.shape, "cut it into actions")
    with np.errstate(over="ignore"):  # what is no float32 becomes infinite, which the encoder refuses
        return np.array(array, np.float32)


def _of_archive(file: Path) -> tuple[NamedPose, ...]:
    found: list[NamedPose] = []
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            if not 1 <= len(members) <= MOST_ARRAYS:
                rule = f"an archive of 1 to {MOST_ARRAYS:,} arrays"
                raise _wrong(file, rule, len(members), "save each recording by a name: numpy.savez")
            for member in members:
                key = member.filename.removesuffix(".npy")
                found.append(NamedPose(name=f"{file}:{key}", pose=_of_member(archive, member, file)))
    except _MARKED_BROKEN as error:
        raise _wrong(file, "an .npz archive of arrays", f"{type(error).__name__}: {error}", "make it again") from None
    return tuple(found)


def _of_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path) -> Pose:
    """An array of an archive, whose header is looked at before memory is taken for it."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f"an array of version {version}")
        shape, _, dtype = read_header(stream)
        if dtype.hasobject or int(np.prod([*shape, 1], dtype=object)) > MOST_VALUES:
            rule = f"an array of at most {MOST_VALUES:,} numbers"
            raise _wrong(file, rule, f"{member.filename}: {dtype} {shape}", "save the coordinates as floats")
    with archive.open(member) as stream:
        return _numbers(file, np.lib.format.read_array(stream, allow_pickle=False))


def _of_skeleton(file: Path, layout: Layout, bodies: BodyOrder) -> Pose:
    if not same_joints(layout, KINECT_V2):
        rule = f"a recording of the layout {layout.name}, which the model was trained on"
        raise _wrong(file, rule, f"the layout {KINECT_V2.name} of {SUFFIX} files", "give a model of that layout")
    pose = read_skeleton(file, bodies=bodies).pose
    if not pose.any():
        raise _wrong(file, "a recording that shows at least one joint", None, "leave it out: it shows nobody")
    return nan_where_zero(pose)


def _of_rows(file: Path, layout: Layout, coordinates: int) -> Pose:
    """A row for each frame; a first row without any number is a header."""
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise _wrong(file, f"a recording's file of at most {MOST_BYTES:,} bytes", size, "cut it into actions")
    of_body = len(layout.joints) * coordinates
    rows: list[list[float]] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            for cells in reader:
                if not rows and not any(is_number(cell) for cell in cells):
                    continue
                rows.append([_number(file, reader.line_num, i, cell) for i, cell in enumerate(cells)])
                if len(cells) % of_body or not 1 <= len(cells) // of_body <= MOST_BODIES_RECORDED:
                    of_what = f"{len(layout.joints)} joints x {coordinates}"
                    rule = f"rows of {of_body} numbers ({of_what}), or so many for each body"
                    remedy = "write a row for each frame, or give a map of its columns by --map"
                    raise _wrong(file, rule, len(cells), remedy, line=reader.line_num)
                if len(cells) != len(rows[0]):
                    rule = f"rows of {len(rows[0])} numbers, as the first one"
                    raise _wrong(file, rule, len(cells), "write zeros for an absent body", line=reader.line_num)
                if len(rows) > MOST_FRAMES:
                    raise _wrong(file, f"a recording of at most {MOST_FRAMES:,} frames", None, "cut it into actions")
    except (csv.Error, UnicodeDecodeError) as error:
        raise _wrong(file, "a CSV file", str(error), "save it as text of numbers and commas") from None
    if not rows:
        raise _wrong(file, "a row for each frame", "no row of numbers", "write one")
    return np.array(rows, np.float32).reshape(len(rows), -1, len(layout.joints), coordinates)


def _number(file: Path, line: int, column: int, cell: str) -> float:
    text = cell.strip()
    if text.lower() in _NO_NUMBER:
        return np.nan
    if not is_number(text):
        rule, remedy = "a coordinate that is a number", "correct it, or leave the cell empty where a joint is missing"
        raise DataError(
            Problem(file=file, line=line, field=f"column {column + 1}", rule=rule, value=text[:60], remedy=remedy)
        )
    return float(text)


def _wrong(file: Path, rule: str, value: object, remedy: str, *, line: int | None = None) -> DataError:
    return DataError(Problem(file=file, line=line, rule=rule, value=value, remedy=remedy))
