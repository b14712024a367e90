"""ST-GCN and the methods built on it (SkeletonCLR, CrosSCLR, AimCLR): raw poses (N, 3, T, 25, 2) with labels beside.

``*_data.npy`` (ST-GCN's ``tools/ntu_gendata.py``, AimCLR's ``tools/``) and ``*_data_joint.npy`` (the same under
2s-AGCN's name) hold camera coordinates in metres, padded to 300 frames with zeros. ``*_position.npy`` (AimCLR's
``feeder/preprocess_ntu.py``) holds the same resized to 50 frames, every body relative to its own joint 21, and turned
about the vertical. Labels are a pickle ``(names, labels)``, or for the positions an array without names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.layout import Layout
from hico_platform.data.npy import map_array
from hico_platform.data.readers._base import Item, ReadOptions, ReadPlan, clean
from hico_platform.data.readers.labelled_array import (
    LabelledArray,
    class_names_of,
    is_centred,
    labelled_arrays,
    problems_of_row,
    wrong,
)
from hico_platform.data.readers.padded import ROWS_AN_ITEM, shown_bodies
from hico_platform.data.sequence import MissingJoint, Sequence
from hico_platform.errors import DataError, Problem

_POSITION = "_position.npy"
_SUFFIXES = ("_data.npy", "_data_joint.npy", _POSITION)
_OWN_SUFFIXES = ("_data.npy", _POSITION)
_ROWS_CHECKED = 8


@dataclass(frozen=True, kw_only=True)
class STGCN:
    """A folder of such files, all of one kind; their prefix is the part of the split."""

    dataset: str
    layout: Layout
    class_names: tuple[str, ...]
    folder: Path
    missing_joint: MissingJoint
    coordinates: int = 3
    normalised: bool = False
    protocols: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> ReadPlan:
        """Items of a few rows; a label that is out of range is a problem."""
        items: list[Item] = []
        problems: list[Problem] = []
        for array in _arrays(self.folder):
            rows, wrong_rows = array.rows(self.layout)
            problems.extend(wrong_rows)
            for first in range(0, len(rows), ROWS_AN_ITEM):
                value = array, rows[first : first + ROWS_AN_ITEM]
                items.append(Item(file=array.file, value=value, reads=(array.file, array.label_file)))
        return ReadPlan(items=items, problems=problems)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The sequences of some rows, without their padding."""
        array, rows = item.value
        data = map_array(item.file)
        for row in rows:
            pose = _recorded(data, row.index, missing=self.missing_joint)
            try:
                cleaned = clean(pose, file=item.file, line=None, missing=self.missing_joint)
            except DataError as error:
                yield from problems_of_row(error, f"[{row.index}]")
                continue
            yield Sequence(name=row.name, label=row.label, pose=shown_bodies(cleaned),
                           metadata=array.metadata(row.name))  # fmt: skip


def open_source(raw: Path, options: ReadOptions) -> STGCN:
    """The folder at ``raw``. Raises DataError if it has no such files, or normalised ones."""
    arrays = _arrays(raw)
    relative = arrays[0].suffix == _POSITION
    for array in arrays:
        _refuse_normalised(array, options.layout)
    return STGCN(
        dataset=raw.absolute().name,
        layout=options.layout,
        class_names=class_names_of(arrays),
        folder=raw,
        missing_joint=MissingJoint.NAN if relative else MissingJoint.ZERO,
    )


def _arrays(folder: Path) -> list[LabelledArray]:
    kinds = [found for suffix in _SUFFIXES if (found := labelled_arrays(folder, suffix))]
    if len(kinds) != 1:
        raise DataError(
            Problem(file=folder, rule=f"a folder with *{', *'.join(_SUFFIXES[:-1])} or *{_POSITION} files, of one kind",
                    value=[array.file.name for found in kinds for array in found],
                    remedy="give the folder of one protocol, such as NTU-RGB-D/xsub, and move other kinds elsewhere")
        )  # fmt: skip
    return kinds[0]


def _recorded(data: npt.NDArray[Any], index: int, *, missing: MissingJoint) -> npt.NDArray[Any]:
    """The pose (T, M, J, C) of a row, as ``missing`` has it.

    In relative positions joint 21 is at zero, so only a body whose joints are all zero is missing.
    """
    pose: npt.NDArray[Any] = data[index].transpose(1, 3, 2, 0)  # (C, T, J, M) to (T, M, J, C)
    if missing is MissingJoint.ZERO:
        return pose
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        return np.where(pose.any(axis=(2, 3), keepdims=True), pose, np.nan)


def _refuse_normalised(array: LabelledArray, layout: Layout) -> None:
    data = array.map(layout)
    if array.suffix == _POSITION:
        return
    poses = data[:_ROWS_CHECKED, ..., 0].transpose(0, 2, 3, 1)  # (N, C, T, J) of the first bodies to (N, T, J, C)
    if poses.any() and is_centred(layout.centre_of(poses)):
        found = "poses whose centre is at zero"
        raise wrong(array.file, "poses in camera coordinates", found, "read them with --format hico")


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does; *_data_joint.npy are taken for HiCo's."""
    found = next((array.file for suffix in _OWN_SUFFIXES for array in labelled_arrays(raw, suffix)), None)
    return None if found is None else found.name
