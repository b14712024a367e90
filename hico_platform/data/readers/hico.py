"""Released HiCo / AGCN: ``*_data_joint.npy`` (N, 3, 300, 25, 2), ``*_label.pkl`` and optional ``*_num_frame.npy``.

The poses in these files are normalised, and padded to 300 frames by repetition; the padding is cut off again. 2s-AGCN
and others write raw poses under the same names: a recording whose centre is not at zero is normalised here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.layout import Layout
from hico_platform.data.normalise import normalise
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
from hico_platform.data.readers.padded import ROWS_AN_ITEM, recorded_frames, shown_bodies
from hico_platform.data.sequence import MissingJoint, Sequence
from hico_platform.data.whole_number import whole_number
from hico_platform.errors import DataError, Problem

_DATA = "_data_joint.npy"
_NORMALISED = "recordings normalised by this import: their centre was not at zero"


@dataclass(frozen=True, kw_only=True)
class HiCoReader:
    """A folder of such files; their prefix is the split."""

    dataset: str
    layout: Layout
    class_names: tuple[str, ...]
    folder: Path
    coordinates: int = 3
    normalised: bool = True
    missing_joint: MissingJoint = MissingJoint.ZERO
    protocols: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> ReadPlan:
        """Items of a few rows; a label that is out of range is a problem."""
        items: list[Item] = []
        problems: list[Problem] = []
        for array in _arrays(self.folder):
            rows, wrong_rows = array.rows(self.layout)
            problems.extend(wrong_rows)
            frames = _num_frames(array, array.map(self.layout).shape[0])
            values = [(array, row, None if frames is None else frames[row.index]) for row in rows]
            reads = (array.file, array.label_file, array.beside("_num_frame.npy"))
            for first in range(0, len(values), ROWS_AN_ITEM):
                items.append(Item(file=array.file, value=values[first : first + ROWS_AN_ITEM], reads=reads))
        return ReadPlan(items=items, problems=problems)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The sequences of some rows."""
        data = map_array(item.file)
        for array, row, num_frames in item.value:
            pose = data[row.index].transpose(1, 3, 2, 0)  # (C, T, J, M) to (T, M, J, C)
            try:
                if num_frames is not None and num_frames < 1:
                    raise wrong(item.file, "a recording of at least one frame", num_frames)
                cleaned = clean(pose, file=item.file, line=None, missing=self.missing_joint)
            except DataError as error:
                yield from problems_of_row(error, f"[{row.index}]")
                continue
            shown = shown_bodies(cleaned)
            frames = num_frames if num_frames is not None else recorded_frames(shown)
            pose = np.ascontiguousarray(shown[:frames])
            remarks: Mapping[str, int] = {}
            if not _is_normalised(pose, self.layout):
                done = normalise(pose, self.layout)
                pose, remarks = done.pose, {_NORMALISED: 1, **done.remarks}
            yield Sequence(name=row.name, label=row.label, pose=pose, metadata=array.metadata(row.name),
                           remarks=remarks)  # fmt: skip


def _is_normalised(pose: npt.NDArray[np.float32], layout: Layout) -> bool:
    """Whether the centre of the first body of (T, M, J, C), NaN where missing, is at zero wherever it is seen.

    Zeros mark a missing joint in these files, so a centre at zero has come out as missing.
    """
    return is_centred(layout.centre_of(np.nan_to_num(pose[:, 0])))


def open_source(raw: Path, options: ReadOptions) -> HiCoReader:
    """The folder at ``raw``. Raises DataError if it has no such files, or a label file contains code."""
    return HiCoReader(
        dataset=raw.absolute().name,
        layout=options.layout,
        class_names=class_names_of(_arrays(raw)),
        folder=raw,
    )


def _arrays(folder: Path) -> list[LabelledArray]:
    found = labelled_arrays(folder, _DATA)
    if not found:
        raise DataError(
            Problem(file=folder, rule=f"a folder with *{_DATA} files",
                    remedy="give the folder of one protocol, for example NTU-RGB-D-60-AGCN/xsub")
        )  # fmt: skip
    return found


def _num_frames(array: LabelledArray, count: int) -> list[int] | None:
    path = array.beside("_num_frame.npy")
    if not path.is_file():
        return None
    numbers = map_array(path)
    numeric = numbers.shape == (count,) and numbers.dtype.kind in "iuf"
    frames = [whole_number(number) for number in numbers.tolist()] if numeric else [None]
    if None in frames:
        raise wrong(path, f"an array of {count} whole numbers", f"{numbers.dtype} {list(numbers.shape)}")
    return [number for number in frames if number is not None]


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does."""
    found = next((array.file for array in labelled_arrays(raw, _DATA)), None)
    return None if found is None else found.name
