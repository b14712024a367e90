"""Shared by the formats of arrays (N, 3, T, J, M) in ``.npy`` files with names and labels in a file beside each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.layout import Layout
from hico_platform.data.npy import map_array
from hico_platform.data.pickled_array import StoredArray, brief
from hico_platform.data.plain_pickle import read_plain_pickle
from hico_platform.data.readers._base import MOST_CLASSES
from hico_platform.data.readers.pku_split_file import cut_metadata
from hico_platform.data.readers.split_parts import split_parts
from hico_platform.data.sequence import MOST_FRAMES, Metadata
from hico_platform.data.skeleton_file import SUFFIX, SkeletonName
from hico_platform.data.whole_number import whole_number
from hico_platform.errors import DataError, Problem

_AT_ZERO_M = 1e-4  # float16 files, and normalisation in float32, leave less


@dataclass(frozen=True, kw_only=True)
class Row:
    """One recording of an array."""

    index: int
    name: str
    label: int


@dataclass(frozen=True, kw_only=True)
class LabelledArray:
    """An array of a folder, ``PREFIX + suffix``; its prefix says the part of the split."""

    file: Path
    suffix: str
    part: str
    """The value of the metadata column ``split``."""

    @property
    def prefix(self) -> str:
        """The file's name without the suffix."""
        return self.file.name.removesuffix(self.suffix)

    def beside(self, suffix: str) -> Path:
        """The file of the same prefix with another suffix."""
        return self.file.with_name(self.prefix + suffix)

    @property
    def label_file(self) -> Path:
        """The file of names and labels ``PREFIX_label.pkl``; else of labels alone, ``PREFIX_label.npy``."""
        pickled, array = self.beside("_label.pkl"), self.beside("_label.npy")
        return array if array.is_file() and not pickled.is_file() else pickled

    def metadata(self, name: str) -> Metadata:
        """The part of the split, and what a name like NTU's or PKU-MMD's says."""
        parsed = SkeletonName.parse(name)
        return {"split": self.part, **(parsed.metadata() if parsed else cut_metadata(name))}

    def map(self, layout: Layout) -> npt.NDArray[Any]:
        """The array, memory-mapped. Raises DataError if it is not (N, 3, T, J, M) of floats, or too long."""
        array = map_array(self.file)
        joints = len(layout.joints)
        if array.ndim != 5 or array.shape[1] != 3 or array.shape[3] != joints or array.dtype.kind != "f":
            raise wrong(self.file, f"an array of floats (N, 3, T, {joints}, M)", f"{array.dtype} {list(array.shape)}")
        if array.shape[2] > MOST_FRAMES:
            raise wrong(self.file, f"at most {MOST_FRAMES} frames a recording", array.shape[2])
        return array

    def names_and_labels(self) -> tuple[list[Any], list[Any]]:
        """The file of labels, unchecked; without names they are numbered.

        Raises DataError if there is none or it is malformed.
        """
        path = self.label_file
        if not path.is_file():
            raise wrong(path, f"a file of labels, which goes with {self.file.name}")
        if path.suffix == ".npy":
            array = map_array(path)
            if array.ndim not in (1, 2) or array.size != len(array) or array.dtype.kind not in "iuf":
                raise wrong(path, "an array (N,) of labels", f"{array.dtype} {list(array.shape)}")
            return [f"{self.prefix}-{i:06d}" for i in range(len(array))], array.reshape(-1).tolist()
        content = read_plain_pickle(path)
        pair = content if isinstance(content, list | tuple) and len(content) == 2 else ([], None)
        names, labels = (part.load(path).tolist() if isinstance(part, StoredArray) else part for part in pair)
        if not isinstance(names, list | tuple) or not isinstance(labels, list | tuple) or len(names) != len(labels):
            raise wrong(path, "a pair of lists, names and labels, of one length")
        return list(names), list(labels)

    def rows(self, layout: Layout) -> tuple[list[Row], list[Problem]]:
        """The recordings, and a problem for each whose name or label is none."""
        count = self.map(layout).shape[0]
        path = self.label_file
        names, labels = self.names_and_labels()
        if len(names) != count:
            raise wrong(path, f"the names of {count} sequences, as in {self.file.name}", len(names))
        rows: list[Row] = []
        problems: list[Problem] = []
        for i, (name, given) in enumerate(zip(names, labels, strict=True)):
            label = _label(given)
            if isinstance(name, str) and label is not None:
                rows.append(Row(index=i, name=name.removesuffix(SUFFIX), label=label))
            else:
                problems.append(
                    Problem(file=path, field=f"[{i}]", rule=f"a name and a label, 0 to {MOST_CLASSES - 1}",
                            value=f"{brief(name)!r}, {brief(given)!r}", remedy="correct the file")
                )  # fmt: skip
        return rows, problems

    def largest_label(self) -> int:
        """The largest label; -1 if there is none."""
        _, labels = self.names_and_labels()
        return max((label for given in labels if (label := _label(given)) is not None), default=-1)


def labelled_arrays(folder: Path, suffix: str) -> list[LabelledArray]:
    """The arrays of a folder whose names end so, in order of name; none if it is not a folder."""
    files = {file.name.removesuffix(suffix): file for file in sorted(folder.glob(f"*{suffix}"))}
    parts = split_parts(files)
    return [LabelledArray(file=file, suffix=suffix, part=parts.get(prefix, prefix)) for prefix, file in files.items()]


def class_names_of(arrays: list[LabelledArray]) -> tuple[str, ...]:
    """Numbers as names, as many as the largest label asks for."""
    return tuple(str(label) for label in range(max((array.largest_label() for array in arrays), default=-1) + 1))


def is_centred(centre: npt.NDArray[Any]) -> bool:
    """Whether centres (..., C), zeros where they are missing, are all at zero, as in normalised files."""
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        return bool(np.abs(centre).max() < _AT_ZERO_M)


def problems_of_row(error: DataError, field: str) -> Iterator[Problem]:
    """The problems of an error with the place of the row that caused it, such as ``[17]``."""
    for found in error.problems:
        yield Problem(file=found.file, field=field, rule=found.rule, value=found.value, remedy=found.remedy)


def wrong(file: Path, rule: str, value: object = None, remedy: str = "make the file again") -> DataError:
    """The error of a file of such a folder."""
    return DataError(Problem(file=file, rule=rule, value=value, remedy=remedy))


def _label(given: object) -> int | None:
    label = whole_number(given)
    return label if label is not None and 0 <= label < MOST_CLASSES else None
