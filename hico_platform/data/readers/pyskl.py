"""pyskl / MMAction2: one pickle of annotations, with named splits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hico_platform.data.axes import MOST_BODIES_RECORDED, axes_remedy, ordered
from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.pickled_array import StoredArray, brief
from hico_platform.data.plain_pickle import read_plain_pickle
from hico_platform.data.readers._base import MOST_CLASSES, Item, ReadOptions, ReadPlan, clean
from hico_platform.data.readers.image_pose import image_pose
from hico_platform.data.readers.split_parts import plain_rule, split_parts
from hico_platform.data.sequence import MissingJoint, Sequence, Unit
from hico_platform.data.skeleton_file import SkeletonName
from hico_platform.data.whole_number import whole_number
from hico_platform.errors import DataError, Problem

_LIST_NAME = re.compile(r"(?:(?P<protocol>.+)_)?(?P<word>[a-z]+)(?P<fold>[0-9]*)")
_NO_LABEL = -1  # as MMAction2 writes it where a label is not known
_REMEDY = "correct or leave out this one"
_DATASETS = ("ntu60", "ntu120")
_OF_JOINTS = {len(layout.joints): layout for layout in (LAYOUTS["coco"], LAYOUTS["openpose-18"])}


@dataclass(frozen=True, kw_only=True)
class Pyskl:
    """``{'split': {name: [frame_dir, ...]}, 'annotations': [...]}``; arrays stay in the file until they are read."""

    dataset: str
    layout: Layout
    class_names: tuple[str, ...]
    protocols: Mapping[str, Any]
    file: Path
    coordinates: int = 3
    third_is_score: bool = False
    """Whether a third coordinate, where there is one, is a score."""
    unit: Unit = Unit.M
    normalised: bool = False
    missing_joint: MissingJoint = MissingJoint.ZERO

    def plan(self) -> ReadPlan:
        """One item an annotation; one that breaks a rule becomes a problem."""
        content = _read(self.file)
        splits = _splits(content, self.file)
        items: list[Item] = []
        problems: list[Problem] = []
        for i, annotation in enumerate(content["annotations"]):
            try:
                name, label, array, scores = _annotation(annotation, i, self.file)
            except DataError as error:
                problems.extend(error.problems)
                continue
            metadata = {
                **(found.metadata() if (found := SkeletonName.parse(name)) else {}),
                **{split.column: split.parts.get(name) for split in splits},
            }
            items.append(Item(file=self.file, value=(i, name, label, array, scores, metadata)))
        return ReadPlan(items=items, problems=problems)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The one sequence of an annotation."""
        i, name, label, array, scores, metadata = item.value
        scored = self.third_is_score and array.shape[-1:] == (3,)
        size = {"joints": len(self.layout.joints), "coordinates": 3 if scored else self.coordinates}
        order = "TJC" if len(array.shape) == 3 else "MTJC"
        if not ordered(array.shape, order=order, **size) or array.dtype[1:2] != "f":
            swap_remedy = axes_remedy(array.shape, order=order, **size)
            raise _wrong(
                self.file,
                i,
                "keypoint",
                f"an array of floats (M, T, {size['joints']}, {self.coordinates}) "
                f"of at most {MOST_BODIES_RECORDED} bodies",
                f"{array.dtype} {list(array.shape)}",
                swap_remedy or self._shape_remedy(array.shape),
            )
        pose = array.load(self.file)
        pose = pose[:, None] if pose.ndim == 3 else pose.swapaxes(0, 1)  # (T, J, C) or (M, T, J, C) to (T, M, J, C)
        if self.coordinates == 2:
            score = None if scores is None else scores.load(self.file)
            score = score if score is None else score[:, None] if score.ndim == 2 else score.swapaxes(0, 1)  # (T, M, J)
            pose, confidence = image_pose(
                pose, score, file=self.file, line=None, field=f"annotations[{i}].keypoint_score",
                missing=self.missing_joint,
            )  # fmt: skip
            metadata |= confidence
        else:
            pose = clean(pose, file=self.file, line=None, missing=self.missing_joint, unit=self.unit)
        yield Sequence(name=name, label=label, pose=pose, metadata=metadata)

    def _shape_remedy(self, shape: tuple[int, ...]) -> str:
        if len(shape) not in (3, 4) or shape[-1] not in (2, 3):
            return _REMEDY
        if shape[-1] != self.coordinates:
            return f"give a file of {self.coordinates}D poses: these are {shape[-1]}D"
        return f"name the layout of {shape[-2]} joints by --layout: this is {self.layout.name}"


def open_source(raw: Path, options: ReadOptions) -> Pyskl:
    """The pickle at ``raw``. Raises DataError if it is not one, or contains code."""
    content = _read(raw)
    labels = [
        label
        for annotation in content["annotations"]
        if isinstance(annotation, dict) and (label := whole_number(annotation.get("label"))) is not None
        if 0 <= label < MOST_CLASSES
    ]
    shapes = [
        array.shape
        for annotation in content["annotations"]
        if isinstance(annotation, dict) and isinstance(array := annotation.get("keypoint"), StoredArray)
        if len(array.shape) in (3, 4) and array.shape[-1] in (2, 3)
    ]
    coordinates = options.coordinates or (shapes[0][-1] if shapes else 3)
    protocols = {
        split.protocol: plain_rule(split.column, set(split.parts.values()))
        for split in _splits(content, raw)
        if split.protocol is not None
    }
    return Pyskl(
        dataset=next((name for name in _DATASETS if raw.stem.startswith(f"{name}_")), raw.stem),
        layout=_layout(options.layout, shapes, coordinates),
        unit=options.unit_read,
        coordinates=coordinates,
        third_is_score=options.coordinates == 2,
        class_names=tuple(str(label) for label in range(max(labels, default=-1) + 1)),
        protocols=protocols,
        file=raw,
    )


def _layout(named: Layout, shapes: list[tuple[int, ...]], coordinates: int) -> Layout:
    """That of the option; where it is the default, which cannot be meant, the pose estimator's of as many joints."""
    joints = shapes[0][-2] if shapes else len(named.joints)
    if coordinates == 3 or named != KINECT_V2:
        return named
    return _OF_JOINTS.get(joints, named)


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


@dataclass(frozen=True, kw_only=True)
class _Split:
    """What the lists of one protocol say."""

    protocol: str | None
    """None where the lists name none; the protocol ``given`` then reads the column."""
    column: str
    parts: dict[str, str]
    """The part of each named sequence."""


def _splits(content: dict[str, Any], file: Path) -> list[_Split]:
    """The protocols of a file: ``xsub_train`` and ``xsub_val`` are ``xsub``, ``train1`` and ``test1`` are ``split1``.

    Raises DataError if a list is no list of names, or a name is in two parts of a protocol.
    """
    splits = content.get("split", {})
    if not isinstance(splits, dict):
        raise _malformed_split(file, type(splits).__name__)
    lists: dict[tuple[str | None, str], dict[str, tuple[str, list[Any]]]] = {}
    for key, value in splits.items():
        names = value.load(file).tolist() if isinstance(value, StoredArray) else value
        if not isinstance(names, list | tuple):
            raise _malformed_split(file, f"{type(names).__name__} in {brief(key)}")
        if isinstance(key, str) and (found := _LIST_NAME.fullmatch(key)):
            protocol, word, fold = found["protocol"], found["word"], found["fold"]
            named = f"{protocol or 'split'}{fold}" if protocol or fold else None
            place = named, f"split_{protocol or ''}{fold}" if named else "split"
            lists.setdefault(place, {})[word] = key, list(names)
    return [
        _Split(protocol=protocol, column=column, parts=parts)
        for (protocol, column), words in lists.items()
        if (parts := _part_of_each_name(words, file))
    ]


def _part_of_each_name(words: dict[str, tuple[str, list[Any]]], file: Path) -> dict[str, str]:
    listed: dict[str, str] = {}
    for word, part in split_parts(words).items():
        key, names = words[word]
        for name in names:
            if isinstance(name, str) and listed.setdefault(name, part) != part:
                raise DataError(
                    Problem(file=file, field=f"split.{key}", rule="a name in one part of a protocol alone",
                            value=brief(name), remedy=f"leave it out of this list: it is in the {listed[name]} part")
                )  # fmt: skip
    return listed


def _malformed_split(file: Path, value: object) -> DataError:
    return DataError(
        Problem(file=file, field="split", rule="a dict of lists of names", value=value,
                remedy="export it with pyskl or MMAction2 once more")
    )  # fmt: skip


def _annotation(annotation: Any, i: int, file: Path) -> tuple[str, int | None, StoredArray, StoredArray | None]:
    """Name, label, keypoints and their scores, which files of 2D poses have."""
    if not isinstance(annotation, dict):
        raise _wrong(file, i, "", "a dict", type(annotation).__name__)
    name, label, array = (annotation.get(key) for key in ("frame_dir", "label", "keypoint"))
    if not isinstance(name, str) or not name:
        raise _wrong(file, i, "frame_dir", "the name of the sequence", name)
    number = None if label is None else whole_number(label)
    if number == _NO_LABEL:
        number = label = None
    if label is not None and (number is None or not 0 <= number < MOST_CLASSES):
        raise _wrong(file, i, "label", f"a whole number, 0 to {MOST_CLASSES - 1}, or -1 for no label", label)
    if array is None and "raw_file" in annotation:
        remedy = "write the poses of the files that raw_file names into this one, as pyskl's DecompressPose reads them"
        raise _wrong(file, i, "keypoint", "an array", None, remedy)
    if not isinstance(array, StoredArray):
        raise _wrong(file, i, "keypoint", "an array", type(array).__name__)
    scores = annotation.get("keypoint_score")
    if scores is not None and not (isinstance(scores, StoredArray) and scores.dtype[1:2] == "f"
                                   and scores.shape == array.shape[:-1]):  # fmt: skip
        raise _wrong(file, i, "keypoint_score", f"an array of floats {list(array.shape[:-1])}, a score a joint",
                     f"{scores.dtype} {list(scores.shape)}" if isinstance(scores, StoredArray) else scores)  # fmt: skip
    total, shape = annotation.get("total_frames"), array.shape
    if total is not None and (len(shape) < 3 or whole_number(total) != shape[-3]):
        swapped = len(shape) == 4 and whole_number(total) == shape[0]
        remedy = f"swap the first two axes of keypoint {list(shape)}: they are (T, M)" if swapped else _REMEDY
        raise _wrong(file, i, "total_frames", "the number of frames of keypoint", total, remedy)
    return name, number, array, scores


def _wrong(file: Path, i: int, key: str, rule: str, value: object, remedy: str = _REMEDY) -> DataError:
    field = f"annotations[{i}]" + (f".{key}" if key else "")
    return DataError(Problem(file=file, field=field, rule=rule, value=brief(value), remedy=remedy))


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does."""
    return "a pickle" if raw.is_file() and raw.suffix in (".pkl", ".pickle") else None
