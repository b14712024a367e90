"""Kinetics-skeleton (Yan et al. 2018, ST-GCN): a JSON file a video, with the people that OpenPose found in each frame.

A folder ``kinetics_train`` beside ``kinetics_train_label.json``, and any others so named. A frame has a list of people
with ``pose`` [x, y, ...] and ``score`` of 18 joints, each coordinate as a share of the image's width or height.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.detections import tracked
from hico_platform.data.json_file import array_of_lists, read_json
from hico_platform.data.layout import Layout
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.readers._base import MOST_CLASSES, Item, ReadOptions, ReadPlan
from hico_platform.data.readers.image_pose import image_pose
from hico_platform.data.readers.split_parts import split_parts
from hico_platform.data.sequence import MOST_FRAMES, MissingJoint, Sequence
from hico_platform.data.whole_number import whole_number
from hico_platform.errors import DataError, Problem

WIDTH_PX, HEIGHT_PX = 340.0, 256.0
"""To which its authors resized all videos, so that shares of width and height have one unit again."""

_LABELS = "_label.json"
_MOST_LABEL_BYTES = 48 * 2**20  # of 250,000 videos, 25 MiB
_MOST_PEOPLE = 50
_NO_SKELETON = "videos in which nobody was found"
_REMEDY = "get or write the file again"
_OPENPOSE = LAYOUTS["openpose-18"]
_JOINTS = len(_OPENPOSE.joints)


@dataclass(frozen=True, kw_only=True)
class Kinetics:
    """The videos of a folder."""

    class_names: tuple[str, ...]
    label_files: tuple[Path, ...]
    dataset: str = "kinetics"
    layout: Layout = _OPENPOSE
    coordinates: int = 2
    normalised: bool = False
    missing_joint: MissingJoint = MissingJoint.ZERO
    protocols: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> ReadPlan:
        """One item a video in which somebody was found; an entry that breaks a rule becomes a problem."""
        items: list[Item] = []
        problems: list[Problem] = []
        nobody = 0
        parts = split_parts(map(_word, self.label_files))
        for file in self.label_files:
            for name, entry in _entries(file).items():
                label = whole_number(entry.get("label_index")) if isinstance(entry, dict) else None
                if label is None or not 0 <= label < len(self.class_names) or not _is_text(name):
                    problems.append(
                        Problem(file=file, field=ascii(name)[:80], value=str(entry)[:80],
                                rule="an object with label_index, the number of the class",
                                remedy="correct or leave out this video")
                    )  # fmt: skip
                elif entry.get("has_skeleton") is False:
                    nobody += 1
                else:
                    video = _folder(file) / f"{name}.json"
                    metadata = {"split": parts.get(_word(file))}
                    items.append(Item(file=video, value=(name, label, metadata)))
        return ReadPlan(items=items, problems=problems, remarks={_NO_SKELETON: nobody} if nobody else {})

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The one sequence of a video: its one or two people of the largest sum of scores."""
        name, label, metadata = item.value
        if "/" in name or "\0" in name or not item.file.is_file():
            raise _wrong(item.file, "a file for each video of the label file that has a skeleton", None,
                         "add it, or set has_skeleton to false")  # fmt: skip
        content = read_json(item.file)
        index = whole_number(content.get("label_index")) if isinstance(content, dict) else None
        if index is not None and index not in (label, -1):
            raise _wrong(item.file, f"the label_index {label}, as in the label file", index, "correct one of the two")
        frames, people = _frames(item.file, content)
        pose, remarks = tracked(frames, people)
        with np.errstate(over="ignore"):
            pixels = pose * (WIDTH_PX, HEIGHT_PX, 1.0)
        recorded, confidence = image_pose(pixels, None, file=item.file, line=None, missing=self.missing_joint)
        yield Sequence(name=name, label=label, pose=recorded, metadata={**metadata, **confidence}, remarks=remarks)


def open_source(raw: Path, options: ReadOptions) -> Kinetics:
    """The folder with the label files. Raises DataError if there are none, or they name a class in two ways."""
    label_files = _label_files(raw)
    if not label_files:
        raise _wrong(raw, "a folder with kinetics_train_label.json beside kinetics_train, or others so named", None,
                     "give the folder kinetics-skeleton")  # fmt: skip
    names: dict[int, str] = {}
    labels: set[int] = set()
    for file in label_files:
        for entry in _entries(file).values():
            label = whole_number(entry.get("label_index")) if isinstance(entry, dict) else None
            if label is None or not 0 <= label < MOST_CLASSES:
                continue
            labels.add(label)
            name = entry.get("label")
            if isinstance(name, str) and name and _is_text(name) and names.setdefault(label, name) != name:
                raise _wrong(file, f"one name for the class {label}, {names[label]}", name, "correct the label file")
    ordered = tuple(names.get(label, str(label)) for label in range(max(labels, default=-1) + 1))
    return Kinetics(class_names=ordered, label_files=label_files)


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does."""
    return next((file.name for file in _label_files(raw)), None)


def _label_files(raw: Path) -> tuple[Path, ...]:
    return tuple(sorted(file for file in raw.glob(f"*{_LABELS}") if _folder(file).is_dir()))


def _folder(label_file: Path) -> Path:
    return label_file.with_name(label_file.name.removesuffix(_LABELS))


def _word(label_file: Path) -> str:
    """``train`` of ``kinetics_train_label.json``."""
    return _folder(label_file).name.rpartition("_")[2]


def _is_text(name: str) -> bool:
    """Whether it can be written: JSON also holds halves of characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _entries(file: Path) -> dict[str, Any]:
    content = read_json(file, most_bytes=_MOST_LABEL_BYTES)
    if not isinstance(content, dict):
        raise _wrong(file, "an object of videos by name", type(content).__name__, _REMEDY)
    return content


def _frames(file: Path, content: Any) -> tuple[list[int], list[npt.NDArray[np.float64]]]:
    """Numbers of the frames, ascending from 0, and the people in each, (P, 18, 3): x, y and score."""
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list) or not data:
        raise _wrong(file, "an object with data, a list of frames", type(content).__name__, _REMEDY)
    found: dict[int, npt.NDArray[np.float64]] = {}
    for i, frame in enumerate(data):
        number = whole_number(frame.get("frame_index")) if isinstance(frame, dict) else None
        people = frame.get("skeleton") if isinstance(frame, dict) else None
        if number is None or number in found or not isinstance(people, list) or len(people) > _MOST_PEOPLE:
            raise _wrong(file, f"a frame_index of its own, and a list skeleton of at most {_MOST_PEOPLE} people",
                         str(frame)[:80], _REMEDY, field=f"data[{i}]")  # fmt: skip
        found[number] = np.zeros((len(people), _JOINTS, 3))
        for j, person in enumerate(people):
            pose, score = (person.get(key) if isinstance(person, dict) else None for key in ("pose", "score"))
            joints, scores = array_of_lists(pose, (2 * _JOINTS,)), array_of_lists(score, (_JOINTS,))
            if joints is None or scores is None:
                raise _wrong(file, f"a pose of {2 * _JOINTS} numbers and a score of {_JOINTS}", str(person)[:80],
                             "give files of 18 OpenPose joints", field=f"data[{i}].skeleton[{j}]")  # fmt: skip
            found[number][j] = np.concatenate([joints.reshape(_JOINTS, 2), scores[:, None]], axis=1)
    first = min(found)
    if max(found) - first >= MOST_FRAMES:
        raise _wrong(
            file, f"a recording of at most {MOST_FRAMES} frames", max(found) - first + 1, "cut it into actions"
        )
    return [number - first for number in sorted(found)], [found[number] for number in sorted(found)]


def _wrong(file: Path, rule: str, value: object, remedy: str, *, field: str = "") -> DataError:
    return DataError(Problem(file=file, field=field, rule=rule, value=value, remedy=remedy))
