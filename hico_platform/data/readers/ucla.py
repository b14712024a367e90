"""Northwestern-UCLA Multiview Action 3D (Wang et al. 2014): 10 actions, 10 subjects, 3 cameras, 20 joints of Kinect v1.

Either the files that CTR-GCN distributes, ``all_sqe/aXX_sXX_eXX_vXX.json`` with ``skeletons`` (T, 20, 3), or those of
the authors: a folder ``view_X/aXX_sXX_eXX`` a recording, with a ``frame_N_..._skeletons.txt`` a frame, which has a line
``x,y,z,tracking state`` for each joint of each person. Metres, camera coordinates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.json_file import array_of_lists, read_json
from hico_platform.data.layout import KINECT_V1, Layout
from hico_platform.data.readers._base import Item, ReadOptions, ReadPlan, clean
from hico_platform.data.sequence import Metadata, MissingJoint, Sequence
from hico_platform.data.text_numbers import is_number
from hico_platform.errors import DataError, Problem

_ACTIONS = {
    1: "pick up with one hand", 2: "pick up with two hands", 3: "drop trash", 4: "walk around", 5: "sit down",
    6: "stand up", 8: "donning", 9: "doffing", 11: "throw", 12: "carry",
}  # fmt: skip
_LABELS = {action: label for label, action in enumerate(_ACTIONS)}  # as in CTR-GCN
_NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)(?:_v(\d\d))?", re.ASCII)
_VIEW = re.compile(r"view_(\d)", re.ASCII)
_FRAME = re.compile(r"frame_(\d{1,6})_.*skeletons\.txt", re.ASCII)
_JOINTS = len(KINECT_V1.joints)
_MOST_BODIES = 6  # of a Kinect
_MOST_FRAME_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class _Name:
    action: int
    subject: int
    repetition: int
    camera: int

    def __str__(self) -> str:
        return f"a{self.action:02d}_s{self.subject:02d}_e{self.repetition:02d}_v{self.camera:02d}"

    def metadata(self) -> Metadata:
        return {"subject": self.subject, "camera": self.camera, "repetition": self.repetition}


@dataclass(frozen=True, kw_only=True)
class UCLA:
    """A folder of recordings; folders inside it are searched too."""

    folder: Path
    dataset: str = "ucla"
    layout: Layout = KINECT_V1
    class_names: tuple[str, ...] = tuple(_ACTIONS.values())
    coordinates: int = 3
    normalised: bool = False
    missing_joint: MissingJoint = MissingJoint.ZERO
    protocols: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> ReadPlan:
        """One item a recording; a JSON file or an action of another name is a problem."""
        items: list[Item] = []
        problems: list[Problem] = []
        for place, files in _recordings(self.folder):
            name = _name(place)
            if name is None or name.action not in _LABELS:
                problems.append(
                    Problem(file=place, rule="a name like a01_s02_e03_v01 with one of the actions "
                            f"{', '.join(map(str, _ACTIONS))}", value=place.name,
                            remedy="restore its name, which says action, subject, repetition and view")
                )  # fmt: skip
            else:
                items.append(Item(file=place, value=(name, files), reads=files))
        if not items and not problems:
            raise DataError(
                Problem(file=self.folder, rule="a folder of aXX_sXX_eXX_vXX.json, or of view_X/aXX_sXX_eXX with "
                        "frame_N_..._skeletons.txt", remedy="give the folder all_sqe or multiview_action")
            )  # fmt: skip
        return ReadPlan(items=items, problems=problems)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The one sequence of a recording."""
        name, files = item.value
        recorded = _json_pose(item.file) if item.file.suffix == ".json" else _text_pose(files)
        pose = clean(recorded, file=item.file, line=None, missing=self.missing_joint)
        yield Sequence(name=str(name), label=_LABELS[name.action], pose=pose, metadata=name.metadata())


def open_source(raw: Path, options: ReadOptions) -> UCLA:
    """The folder of recordings. Raises DataError if it is not one."""
    if not raw.is_dir():
        raise DataError(Problem(file=raw, rule="a folder", remedy="give the folder all_sqe or multiview_action"))
    return UCLA(folder=raw)


def _recordings(folder: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """The JSON files with themselves, or the folders of frames with their frames in order; both by name."""
    found = sorted((file.stem, file) for file in folder.rglob("*.json"))
    if found:
        yield from ((file, (file,)) for _, file in found)
        return
    for place in sorted({file.parent for file in folder.rglob("*skeletons.txt")}):
        numbered = [(int(parsed[1]), file) for file in place.iterdir() if (parsed := _FRAME.fullmatch(file.name))]
        yield place, tuple(file for _, file in sorted(numbered))


def _name(place: Path) -> _Name | None:
    parsed = _NAME.fullmatch(place.stem)
    view = _VIEW.fullmatch(place.parent.name)
    if parsed is None or (camera := parsed[4] or (view and view[1])) is None:
        return None
    return _Name(action=int(parsed[1]), subject=int(parsed[2]), repetition=int(parsed[3]), camera=int(camera))


def _json_pose(file: Path) -> npt.NDArray[np.float64]:
    content = read_json(file)
    pose = array_of_lists(content.get("skeletons") if isinstance(content, dict) else None, (None, _JOINTS, 3))
    if pose is None:
        raise DataError(
            Problem(file=file, field="skeletons", rule=f"a list of numbers (T, {_JOINTS}, 3)",
                    remedy="get the file again")
        )  # fmt: skip
    return pose[:, None]  # (T, M, J, C)


def _text_pose(files: tuple[Path, ...]) -> npt.NDArray[np.float64]:
    """The frames of a recording as (T, M, J, C); zeros for a person who is not in a frame."""
    frames = [_frame(file) for file in files]
    pose = np.zeros((len(frames), max(map(len, frames), default=0), _JOINTS, 3))
    for whole, frame in zip(pose, frames, strict=True):
        whole[: len(frame)] = frame
    return pose


def _frame(file: Path) -> npt.NDArray[np.float64]:
    """The people of a frame, (M, J, C): the lines of four numbers; other lines are headers."""

    def wrong(rule: str, value: object, line: int | None = None) -> DataError:
        return DataError(Problem(file=file, line=line, rule=rule, value=value, remedy="get the file again"))

    size = file.stat().st_size
    if size > _MOST_FRAME_BYTES:
        raise wrong(f"a frame of at most {_MOST_FRAME_BYTES} bytes", size)
    joints = []
    for line, text in enumerate(file.read_bytes().decode("utf-8", "replace").splitlines(), start=1):
        cells = [cell.strip() for cell in text.split(",")]
        if len(cells) != 4:
            continue
        if not all(map(is_number, cells)):
            raise wrong("a joint as x,y,z,tracking state", text.strip()[:60], line)
        joints.append([float(cell) for cell in cells[:3]])
    if len(joints) % _JOINTS or len(joints) > _MOST_BODIES * _JOINTS:
        raise wrong(f"a frame of {_JOINTS} joints for each of at most {_MOST_BODIES} people", len(joints))
    return np.array(joints, np.float64).reshape(-1, _JOINTS, 3)


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does."""
    named = (file for file in raw.rglob("*.json") if _NAME.fullmatch(file.stem))
    framed = (file for file in raw.rglob("*skeletons.txt") if _FRAME.fullmatch(file.name))
    found = next(named, None) or next(framed, None)
    return None if found is None else found.name
