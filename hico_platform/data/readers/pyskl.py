"""pyskl / MMAction2: one pickle of annotations, with named splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hico_platform.data.layout import Layout
from hico_platform.data.pickled_array import StoredArray, brief
from hico_platform.data.plain_pickle import read_plain_pickle
from hico_platform.data.readers._base import MOST_CLASSES, Item, ReadOptions, ReadPlan, clean
from hico_platform.data.sequence import MissingJoint, Sequence
from hico_platform.data.skeleton_file import SkeletonName
from hico_platform.errors import DataError, Problem

_PARTS = {"train": "train", "val": "test", "test": "test"}
_DATASETS = ("ntu60", "ntu120")


@dataclass(frozen=True, kw_only=True)
class Pyskl:
    """``{'split': {name: [frame_dir, ...]}, 'annotations': [...]}``; arrays stay in the file until they are read."""

    dataset: str
    layout: Layout
    class_names: tuple[str, ...]
    protocols: Mapping[str, Any]
    file: Path
    normalised: bool = False
    missing_joint: MissingJoint = MissingJoint.ZERO

    def plan(self) -> ReadPlan:
        """One item an annotation; one that breaks a rule becomes a problem."""
        content = _read(self.file)
        parts = _parts(content, self.file)
        items: list[Item] = []
        problems: list[Problem] = []
        for i, annotation in enumerate(content["annotations"]):
            try:
                name, label, array = _annotation(annotation, i, self.file)
            except DataError as error:
                problems.extend(error.problems)
                continue
            metadata = {
                **(found.metadata() if (found := SkeletonName.parse(name)) else {}),
                **{column: listed.get(name) for column, listed in parts.items()},
            }
            items.append(Item(file=self.file, value=(i, name, label, array, metadata)))
        return ReadPlan(items=items, problems=problems)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The one sequence of an annotation."""
        i, name, label, array, metadata = item.value
        joints = len(self.layout.joints)
        if len(array.shape) != 4 or array.shape[2:] != (joints, 3) or array.dtype[1:2] != "f":
            raise _wrong(
                self.file,
                i,
                "keypoint",
                f"an array of floats (M, T, {joints}, 3)",
                f"{array.dtype} {list(array.shape)}",
            )
        pose = array.load(self.file).swapaxes(0, 1)  # (T, M, J, C)
        pose = clean(pose, file=self.file, line=None, missing=self.missing_joint)
        yield Sequence(name=name, label=label, pose=pose, metadata=metadata)


def open_source(raw: Path, options: ReadOptions) -> Pyskl:
    """The pickle at ``raw``. Raises DataError if it is not one, or contains code."""
    content = _read(raw)
    labels = [
        label
        for annotation in content["annotations"]
        if isinstance(annotation, dict) and isinstance(label := annotation.get("label"), int)
        if 0 <= label < MOST_CLASSES
    ]
    protocols = {
        column.removeprefix("split_"): {"train": {column: "train"}, "test": {column: "test"}}
        for column in _parts(content, raw)
        if column != "split"
    }
    return Pyskl(
        dataset=next((name for name in _DATASETS if raw.stem.startswith(f"{name}_")), raw.stem),
        layout=options.layout,
        class_names=tuple(str(label) for label in range(max(labels, default=-1) + 1)),
        protocols=protocols,
        file=raw,
    )


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise DataError(Problem(file=file, rule="a file", remedy="give the annotation pickle itself"))
    content = read_plain_pickle(file)
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise DataError(
            Problem(file=file, field="annotations", rule="a pickle of a dict with a list of annotations",
                    value=type(content).__name__, remedy="export it with pyskl or MMAction2 once more")
        )  # fmt: skip
    return content


def _parts(content: dict[str, Any], file: Path) -> dict[str, dict[str, str]]:
    """Train and test names by column: ``xsub_train`` and ``xsub_val`` give ``split_xsub``, bare ones ``split``."""
    splits = content.get("split", {})
    if not isinstance(splits, dict) or not all(isinstance(names, list) for names in splits.values()):
        raise DataError(
            Problem(file=file, field="split", rule="a dict of lists of names", value=type(splits).__name__,
                    remedy="export it with pyskl or MMAction2 once more")
        )  # fmt: skip
    columns: dict[str, dict[str, str]] = {}
    for key, names in splits.items():
        protocol, _, part = key.rpartition("_") if isinstance(key, str) else ("", "", "")
        if part not in _PARTS:
            continue
        listed = columns.setdefault(f"split_{protocol}" if protocol else "split", {})
        listed.update({name: _PARTS[part] for name in names if isinstance(name, str)})
    return columns


def _annotation(annotation: Any, i: int, file: Path) -> tuple[str, int, StoredArray]:
    if not isinstance(annotation, dict):
        raise _wrong(file, i, "", "a dict", type(annotation).__name__)
    name, label, array = (annotation.get(key) for key in ("frame_dir", "label", "keypoint"))
    if not isinstance(name, str) or not name:
        raise _wrong(file, i, "frame_dir", "the name of the sequence", name)
    if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < MOST_CLASSES:
        raise _wrong(file, i, "label", f"a whole number, 0 to {MOST_CLASSES - 1}", label)
    if not isinstance(array, StoredArray):
        raise _wrong(file, i, "keypoint", "an array", type(array).__name__)
    total = annotation.get("total_frames")
    if total is not None and (len(array.shape) < 2 or total != array.shape[1]):
        raise _wrong(file, i, "total_frames", "the number of frames of keypoint", total)
    return name, label, array


def _wrong(file: Path, i: int, key: str, rule: str, value: object) -> DataError:
    field = f"annotations[{i}]" + (f".{key}" if key else "")
    return DataError(
        Problem(file=file, field=field, rule=rule, value=brief(value), remedy="correct or leave out this one")
    )
