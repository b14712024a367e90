"""Reads BVH (Biovision hierarchy): a skeleton of joints with offsets and channels, and a line of channels a frame.

The format as Meredith and Maddock describe it, "Motion Capture File Formats Explained" (2001). Angles are degrees. The
rotations of a joint are multiplied in the order of its channels; a joint's position channels take the place of its
offset, as Blender and MotionBuilder write them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hico_platform.data.anatomy import body_axes, joint_key
from hico_platform.data.layout import Layout
from hico_platform.data.sequence import MOST_FRAMES
from hico_platform.data.text_numbers import is_number, parse_numbers
from hico_platform.errors import DataError, Problem

Floats = npt.NDArray[np.float64]

MOST_BYTES = 32 * 2**20
MOST_JOINTS = 512
MOST_POSITIONS = 6_000_000  # frames times joints, which limits the memory of a worker
MOST_NUMBER = 1e9  # so that no product of them is infinite, which would pass for a missing joint
_CHANNELS = frozenset(f"{axis}{kind}" for axis in "xyz" for kind in ("position", "rotation"))


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A joint, or the end of a bone: it has no channels, and is named after its joint."""

    name: str
    parent: int
    """The index of its parent; -1 for the root."""
    offset: tuple[float, float, float]
    channels: tuple[str, ...] = ()
    """Such as ``xrotation``."""


@dataclass(frozen=True, kw_only=True)
class BVH:
    """A file: its joints, a parent before its children, and the values of all channels (T, channels)."""

    joints: tuple[Joint, ...]
    motion: Floats

    def positions(self) -> Floats:
        """Where the joints are, (T, J, 3), in the unit of the file."""
        placed = np.zeros((len(self.motion), len(self.joints), 3))
        turned: dict[int, Floats] = {-1: np.broadcast_to(np.eye(3), (len(self.motion), 3, 3))}  # only those in use
        column = 0
        for j, joint in enumerate(self.joints):
            values = self.motion[:, column : column + len(joint.channels)]
            column += len(joint.channels)
            local = np.broadcast_to(np.array(joint.offset), (len(values), 3)).copy()
            rotation = turned[joint.parent]
            before = 0.0 if joint.parent < 0 else placed[:, joint.parent]
            for channel, value in zip(joint.channels, values.T, strict=True):
                axis = "xyz".index(channel[0])
                if channel.endswith("position"):
                    local[:, axis] = value
            placed[:, j] = before + np.einsum("tij,tj->ti", turned[joint.parent], local)
            for channel, value in zip(joint.channels, values.T, strict=True):
                if channel.endswith("rotation"):
                    rotation = rotation @ about("xyz".index(channel[0]), np.deg2rad(value))
            turned[j] = rotation
            following = self.joints[j + 1].parent if j + 1 < len(self.joints) else -1
            for done in [i for i in turned if i > following and i >= 0]:
                del turned[done]  # the subtree of this joint is finished
        return placed


def about(axis: int, angle: Floats) -> Floats:
    """Rotations (T, 3, 3) about a coordinate axis, by angles in radians."""
    rotation = np.zeros((len(angle), 3, 3))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    rotation[:, axis, axis] = 1
    rotation[:, one, one] = rotation[:, two, two] = np.cos(angle)
    rotation[:, two, one] = np.sin(angle)
    rotation[:, one, two] = -rotation[:, two, one]
    return rotation


def read_bvh(file: Path) -> BVH:
    """The skeleton and motion of a file. Raises DataError with the line of what is wrong."""
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise _wrong(file, f"a recording's file of at most {MOST_BYTES} bytes", size, "cut it into several")
    data = file.read_bytes()
    text = _Text(file, data)
    joints = text.hierarchy()
    return BVH(joints=joints, motion=text.motion(joints))


def bvh_layout(joints: Sequence[Joint], file: Path) -> Layout:
    """The layout of a skeleton: centred on the root; its axes are found by the names of the joints.

    Joints that always lie on their parent, as CMU's LHipJoint does, are left out.

    Raises DataError if no names of a spine, or of two sides, are known.
    """
    kept = [j for j, joint in enumerate(joints) if joint.parent < 0 or _has_place(joint)]
    new = {old: j for j, old in enumerate(kept)}
    keys: dict[str, int] = {}
    for j in kept:
        keys.setdefault(_key(joints[j].name), new[j])
    axes = body_axes(keys)
    if axes is None:
        raise _wrong(file, "a skeleton with a neck, head or spine and with joints of a left and a right side",
                     [joint.name for joint in joints][:12],
                     "give --layout with a YAML file that names its joints")  # fmt: skip
    return Layout(
        name="bvh",
        joints=tuple(joints[j].name for j in kept),
        parents=tuple(new[_kept_parent(joints, j)] for j in kept),
        centre=0,
        z_axis=(0, axes[0]),
        x_axis=axes[1],
    )


def _has_place(joint: Joint) -> bool:
    return any(joint.offset) or any(channel.endswith("position") for channel in joint.channels)


def _kept_parent(joints: Sequence[Joint], j: int) -> int:
    """The nearest ancestor with a place of its own; the root for the root."""
    parent = max(joints[j].parent, 0)
    while joints[parent].parent >= 0 and not _has_place(joints[parent]):
        parent = joints[parent].parent
    return parent


def pose_of(bvh: BVH, names: Sequence[str], file: Path) -> Floats:
    """The positions of the joints of these names, or of names that mean the same joints, (T, len(names), 3).

    Raises DataError naming those that are not there.
    """
    return bvh.positions()[:, find_joints([joint.name for joint in bvh.joints], names, file)]


def find_joints(joints: Sequence[str], names: Sequence[str], file: Path) -> list[int]:
    """The indices among ``joints`` of these names, or of names that mean the same joints.

    Raises DataError naming those that are not there.
    """
    exact = {joint: j for j, joint in enumerate(joints)}
    alike = {_key(joint): j for j, joint in reversed([*enumerate(joints)])}
    found = [exact.get(name, alike.get(_key(name))) for name in names]
    missing = [name for name, j in zip(names, found, strict=True) if j is None]
    if missing:
        raise _wrong(file, "a skeleton with all joints of the layout", missing[:12],
                     "leave out --layout for the skeleton's own, or name its joints in a map")  # fmt: skip
    return [j for j in found if j is not None]


def _key(name: str) -> str:
    return joint_key(name.rpartition(":")[2])  # without a namespace such as mixamorig


class _Text:
    """The words of a file, with their lines."""

    def __init__(self, file: Path, data: bytes) -> None:
        self._file = file
        start = data.find(b"MOTION")
        head = data if start < 0 else data[:start]
        if len(head) > 2**20:
            raise _wrong(file, "a hierarchy of at most 1048576 bytes", len(head))
        lines = head.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
        self._words = [(word, line) for line, text in enumerate(lines, start=1) for word in text.split()]
        self._next = 0
        self._data, self._start = data, start
        self._first_line = data.count(b"\n", 0, max(start, 0)) + 1

    def hierarchy(self) -> tuple[Joint, ...]:
        """The joints in the order of the file, which is that of the channels."""
        self._take("HIERARCHY")
        joints: list[Joint] = []
        open_joints: list[int] = []
        while True:
            word, line = self._word("one of ROOT, JOINT, End and }")
            if word == "}" and open_joints:
                open_joints.pop()
                if not open_joints:
                    break
            elif (word == "ROOT") == (not open_joints) and word in ("ROOT", "JOINT", "End"):
                joints.append(self._joint(word, open_joints[-1] if open_joints else -1, joints, line))
                if word != "End":
                    open_joints.append(len(joints) - 1)
            else:
                raise self._unexpected("one of ROOT, JOINT, End and }", word, line)
            if len(joints) > MOST_JOINTS:
                raise self._unexpected(f"at most {MOST_JOINTS} joints", len(joints), line)
        if self._next < len(self._words):
            word, line = self._words[self._next]
            raise self._unexpected("one skeleton, and MOTION after it", word, line)
        return tuple(joints)

    def _joint(self, kind: str, parent: int, joints: list[Joint], line: int) -> Joint:
        if kind == "End":
            self._take("Site")
            name = f"{joints[parent].name}_end"
        else:
            name, line = self._word("the name of a joint")
        while kind == "End" and any(joint.name == name for joint in joints):
            name += "_end"
        if any(joint.name == name for joint in joints):
            raise self._unexpected("a name that no other joint has", name, line)
        self._take("{")
        self._take("OFFSET")
        offset = (self._number(), self._number(), self._number())
        channels: list[str] = []
        if kind == "End":
            self._take("}")
        elif self._next < len(self._words) and self._words[self._next][0] == "CHANNELS":
            self._take("CHANNELS")
            word, line = self._word("a number of channels")
            if len(word) != 1 or word not in "0123456":
                raise self._unexpected("a number of channels, 0 to 6", word, line)
            for _ in range(int(word)):
                word, line = self._word("a channel such as Xrotation")
                if word.lower() not in _CHANNELS or word.lower() in channels:
                    raise self._unexpected("a channel such as Xrotation, once", word, line)
                channels.append(word.lower())
        return Joint(name=name, parent=parent, offset=offset, channels=tuple(channels))

    def motion(self, joints: Sequence[Joint]) -> Floats:
        """The values of the channels, (T, channels)."""
        channels = sum(len(joint.channels) for joint in joints)
        if self._start < 0:
            raise _wrong(self._file, "a part MOTION after the hierarchy")
        head, _, values = self._data[self._start :].partition(b"Frame Time:")
        words = head.decode("utf-8", "replace").split()
        if len(words) != 3 or words[:2] != ["MOTION", "Frames:"] or not words[2].isdigit() or len(words[2]) > 9:
            raise self._unexpected("the lines MOTION, Frames: and Frame Time:", " ".join(words)[:60], self._first_line)
        frames = int(words[2])
        if not 1 <= frames <= MOST_FRAMES:
            raise self._unexpected(f"a number of frames, 1 to {MOST_FRAMES}", frames, self._first_line + 1)
        if frames * len(joints) > MOST_POSITIONS:
            raise self._unexpected(f"at most {MOST_POSITIONS} joints in all frames", frames * len(joints),
                                   self._first_line + 1)  # fmt: skip
        numbers = parse_numbers(values)
        if numbers is None or not (np.abs(numbers.values) <= MOST_NUMBER).all():
            raise self._bad_number(values)
        if not channels or len(numbers.values) != 1 + frames * channels:
            raise self._unexpected(f"a frame time and {frames} frames of {channels} channels, {1 + frames * channels} "
                                   "numbers", len(numbers.values), self._first_line + 2)  # fmt: skip
        return numbers.values[1:].reshape(frames, channels)

    def _bad_number(self, values: bytes) -> DataError:
        first = self._first_line + 2
        for line, text in enumerate(values.decode("utf-8", "replace").splitlines(), start=first):
            for word in text.split():
                if not is_number(word) or not abs(float(word)) <= MOST_NUMBER:
                    return self._unexpected(f"a channel that is a number within {MOST_NUMBER:g}", word[:40], line)
        return self._unexpected("a frame time and the values of the channels", None, first)

    def _word(self, rule: str) -> tuple[str, int]:
        if self._next == len(self._words):
            raise self._unexpected(rule, "the end of the hierarchy", self._words[-1][1] if self._words else 1)
        self._next += 1
        return self._words[self._next - 1]

    def _take(self, wanted: str) -> None:
        rule = f"the word {wanted}"
        word, line = self._word(rule)
        if word != wanted:
            raise self._unexpected(rule, word, line)

    def _number(self) -> float:
        word, line = self._word("a number")
        if not is_number(word) or not abs(float(word)) <= MOST_NUMBER:
            raise self._unexpected(f"a number within {MOST_NUMBER:g}", word, line)
        return float(word)

    def _unexpected(self, rule: str, value: object, line: int) -> DataError:
        shown = value[:60] if isinstance(value, str) else value
        return DataError(Problem(file=self._file, line=line, rule=rule, value=shown, remedy=_REMEDY))


_REMEDY = "export it as BVH again"


def _wrong(file: Path, rule: str, value: object = None, remedy: str = _REMEDY) -> DataError:
    return DataError(Problem(file=file, rule=rule, value=value, remedy=remedy))
