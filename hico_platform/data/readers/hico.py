"""Released HiCo / AGCN: ``*_data_joint.npy`` (N, 3, 300, 25, 2), ``*_label.pkl`` and optional ``*_num_frame.npy``.

The poses in these files are normalised, and padded to 300 frames by repetition; the padding is cut off again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hico_platform.data.layout import Layout
from hico_platform.data.npy import map_array
from hico_platform.data.pickled_array import StoredArray, brief
from hico_platform.data.plain_pickle import read_plain_pickle
from hico_platform.data.readers._base import MOST_CLASSES, Item, ReadOptions, ReadPlan, clean
from hico_platform.data.readers.padded import ROWS_AN_ITEM, recorded_frames, shown_bodies
from hico_platform.data.sequence import MOST_FRAMES, Metadata, MissingJoint, Sequence
from hico_platform.data.skeleton_file import SUFFIX, SkeletonName
from hico_platform.errors import DataError, Problem

_DATA = "_data_joint.npy"
_SPLITS = {"val": "test"}  # the released files call the test part val


@dataclass(frozen=True, kw_only=True)
class HiCoReader:
    """A folder of such files; their prefix is the split."""

    dataset: str
    layout: Layout
    class_names: tuple[str, ...]
    folder: Path
    normalised: bool = True
    missing_joint: MissingJoint = MissingJoint.ZERO
    protocols: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> ReadPlan:
        """Items of a few rows; a label that is out of range is a problem."""
        items: list[Item] = []
        problems: list[Problem] = []
        for file in _data_files(self.folder):
            shape = _shape(file, self.layout)
            names, labels = _labels(file)
            frames = _num_frames(file, shape[0])
            if len(names) != shape[0]:
                raise _wrong(
                    _beside(file, "_label.pkl"), f"the names of {shape[0]} sequences, as in {file.name}", len(names)
                )
            rows = []
            for i, (name, label) in enumerate(zip(names, labels, strict=True)):
                if isinstance(name, str) and isinstance(label, int) and 0 <= label < MOST_CLASSES:
                    rows.append((i, name.removesuffix(SUFFIX), label, None if frames is None else frames[i]))
                else:
                    problems.append(
                        Problem(file=_beside(file, "_label.pkl"), field=f"[{i}]", rule="a name and a label, "
                                f"0 to {MOST_CLASSES - 1}", value=f"{brief(name)!r}, {brief(label)!r}",
                                remedy="correct the file")
                    )  # fmt: skip
            reads = (file, _beside(file, "_label.pkl"), _beside(file, "_num_frame.npy"))
            for first in range(0, len(rows), ROWS_AN_ITEM):
                items.append(Item(file=file, value=rows[first : first + ROWS_AN_ITEM], reads=reads))
        return ReadPlan(items=items, problems=problems)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The sequences of some rows."""
        data = map_array(item.file)
        prefix = item.file.name.removesuffix(_DATA)
        for i, name, label, num_frames in item.value:
            pose = data[i].transpose(1, 3, 2, 0)  # (C, T, J, M) to (T, M, J, C)
            try:
                if num_frames is not None and num_frames < 1:
                    raise _wrong(item.file, "a recording of at least one frame", num_frames)
                cleaned = clean(pose, file=item.file, line=None, missing=self.missing_joint)
            except DataError as error:
                for found in error.problems:
                    yield Problem(file=found.file, field=f"[{i}]", rule=found.rule, value=found.value,
                                  remedy=found.remedy)  # fmt: skip
                continue
            shown = shown_bodies(cleaned)
            frames = num_frames if num_frames is not None else recorded_frames(shown)
            metadata: Metadata = {
                "split": _SPLITS.get(prefix, prefix),
                **(parsed.metadata() if (parsed := SkeletonName.parse(name)) else {}),
            }
            yield Sequence(name=name, label=label, pose=np.ascontiguousarray(shown[:frames]), metadata=metadata)


def open_source(raw: Path, options: ReadOptions) -> HiCoReader:
    """The folder at ``raw``. Raises DataError if it has no such files, or a label file contains code."""
    labels = [
        label
        for file in _data_files(raw)
        for label in _labels(file)[1]
        if isinstance(label, int) and 0 <= label < MOST_CLASSES
    ]
    return HiCoReader(
        dataset=raw.absolute().name,
        layout=options.layout,
        class_names=tuple(str(label) for label in range(max(labels, default=-1) + 1)),
        folder=raw,
    )


def _data_files(folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"*{_DATA}"))
    if not found:
        raise DataError(
            Problem(file=folder, rule=f"a folder with *{_DATA} files",
                    remedy="give the folder of one protocol, for example NTU-RGB-D-60-AGCN/xsub")
        )  # fmt: skip
    return found


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name.removesuffix(_DATA) + suffix)


def _shape(file: Path, layout: Layout) -> tuple[int, ...]:
    array = map_array(file)
    joints = len(layout.joints)
    if array.ndim != 5 or array.shape[1] != 3 or array.shape[3] != joints or array.dtype.kind != "f":
        raise _wrong(file, f"an array of floats (N, 3, T, {joints}, M)", f"{array.dtype} {list(array.shape)}")
    if array.shape[2] > MOST_FRAMES:
        raise _wrong(file, f"at most {MOST_FRAMES} frames a recording", array.shape[2])
    shape: tuple[int, ...] = array.shape
    return shape


def _labels(file: Path) -> tuple[list[Any], list[Any]]:
    path = _beside(file, "_label.pkl")
    if not path.is_file():
        raise _wrong(path, f"a file of labels, which goes with {file.name}")
    content = read_plain_pickle(path)
    pair = content if isinstance(content, list | tuple) and len(content) == 2 else ([], None)
    names, labels = (part.load(path).tolist() if isinstance(part, StoredArray) else part for part in pair)
    if not isinstance(names, list | tuple) or not isinstance(labels, list | tuple) or len(names) != len(labels):
        raise _wrong(path, "a pair of lists, names and labels, of one length")
    return list(names), list(labels)


def _num_frames(file: Path, count: int) -> list[int] | None:
    path = _beside(file, "_num_frame.npy")
    if not path.is_file():
        return None
    array = map_array(path)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise _wrong(path, f"an array of {count} whole numbers", f"{array.dtype} {list(array.shape)}")
    return [int(number) for number in array]


def _wrong(file: Path, rule: str, value: object = None) -> DataError:
    return DataError(Problem(file=file, rule=rule, value=value, remedy="make the file again"))
