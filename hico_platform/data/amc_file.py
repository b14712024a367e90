"""Reads Acclaim motion capture: the rotations of the bones in each frame (.amc), with the skeleton beside it (.asf).

As the "Acclaim Skeleton File Definition V1.10" (Schafer, 1994) and CMU's "ASF line details" describe it. A bone begins
where its parent ends. With C the rotation of its axis and M that of its dofs, both about fixed axes with the first
token first, it is turned by its parent's rotation times C M C^-1; its end lies ``length`` along ``direction``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hico_platform.data.anatomy import body_axes, joint_key
from hico_platform.data.asf_file import ASF, Bone, Triple, read_asf, skeleton_of, wrong
from hico_platform.data.bvh_file import MOST_BYTES, MOST_NUMBER, MOST_POSITIONS, about, find_joints
from hico_platform.data.layout import Layout
from hico_platform.data.sequence import MOST_FRAMES
from hico_platform.data.text_numbers import is_number, parse_numbers

Floats = npt.NDArray[np.float64]

_MOST_LINE = 10_000
_ENDS = {"hipjoint": "hip", "femur": "knee", "tibia": "ankle", "clavicle": "shoulder", "humerus": "elbow"}
"""Where CMU's bones end, by their names without the side."""


@dataclass(frozen=True, kw_only=True)
class AMC:
    """A motion: the bones of its skeleton, and the values of all dofs (T, dofs), angles in radians."""

    bones: tuple[Bone, ...]
    motion: Floats

    def positions(self) -> Floats:
        """Where the ends of the bones are, (T, J, 3): inches in CMU's files, y up."""
        placed: Floats = np.zeros((len(self.motion), len(self.bones), 3))
        turned: dict[int, Floats] = {-1: np.broadcast_to(np.eye(3), (len(self.motion), 3, 3))}
        last_child = {bone.parent: j for j, bone in enumerate(self.bones)}
        column = 0
        for j, bone in enumerate(self.bones):
            values = self.motion[:, column : column + len(bone.dof)]
            column += len(bone.dof)
            moved, rotation = _moved(bone.dof, values)
            axis = _axis(bone.axis)
            rotation = turned[bone.parent] @ (axis @ rotation @ axis.T)
            if bone.parent < 0:
                placed[:, j] = np.array(bone.offset) + moved
            else:
                placed[:, j] = placed[:, bone.parent] + rotation @ np.array(bone.offset)
            if j in last_child:
                turned[j] = rotation
            if last_child[bone.parent] == j:
                del turned[bone.parent]  # only rotations that are still in use take memory
        return placed


def _moved(dof: Sequence[str], values: Floats) -> tuple[Floats, Floats]:
    """The translation (T, 3) and the rotation (T, 3, 3) of the dofs."""
    moved = np.zeros((len(values), 3))
    rotation: Floats = np.broadcast_to(np.eye(3), (len(values), 3, 3))
    for channel, value in zip(dof, values.T, strict=True):
        axis = "xyz".index(channel[1])
        if channel[0] == "t":
            moved[:, axis] = value
        else:
            rotation = about(axis, value) @ rotation
    return moved, rotation


def _axis(angles: Triple) -> Floats:
    """The rotation (3, 3) about x, then y, then z."""
    rotation: Floats = _moved(("rx", "ry", "rz"), np.array([angles]))[1][0]
    return rotation


def read_amc(file: Path) -> AMC:
    """The motion of a file, with the skeleton beside it.

    Raises DataError with file and line of what is wrong in either, or if there is no skeleton.
    """
    skeleton = read_asf(skeleton_of(file))
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise wrong(file, f"a recording's file of at most {MOST_BYTES} bytes", size, remedy="cut it into several")
    return AMC(bones=skeleton.bones, motion=_motion(file, file.read_bytes(), skeleton))


def amc_layout(bones: Sequence[Bone], file: Path) -> Layout:
    """The layout of a skeleton: centred on the root; its axes are found by the names of the bones.

    Bones of no length are left out. Raises DataError if no names of a spine, or of two sides, are known.
    """
    kept = [j for j, bone in enumerate(bones) if bone.parent < 0 or any(bone.offset)]
    new = {old: j for j, old in enumerate(kept)}
    names = joint_names(bones)
    keys: dict[str, int] = {}
    for j in kept:
        keys.setdefault(joint_key(names[j]), new[j])
    axes = body_axes(keys)
    if axes is None:
        raise wrong(file, "a skeleton with a neck, head or spine and with joints of a left and a right side",
                     names[:12],
                     remedy="give --layout with a YAML file that names its joints")  # fmt: skip
    parents = []
    for j in kept:
        parent = max(bones[j].parent, 0)
        while parent not in new:
            parent = bones[parent].parent
        parents.append(new[parent])
    return Layout(
        name="amc",
        joints=tuple(names[j] for j in kept),
        parents=tuple(parents),
        centre=0,
        z_axis=(0, axes[0]),
        x_axis=axes[1],
    )


def joint_names(bones: Sequence[Bone]) -> list[str]:
    """What the ends of the bones are called: ``knee_left`` for CMU's ``lfemur``, ``hand_left`` for ``lhand``.

    A bone keeps its own name if it does not begin with the letter of a side, or there is none of the other side.
    """
    own = {bone.name for bone in bones}
    names = []
    for bone in bones:
        letter, base = bone.name[0], bone.name[1:]
        side = {"l": "left", "r": "right"}.get(letter)
        paired = side is not None and base and {f"l{base}", f"r{base}"} <= own
        name = f"{_ENDS.get(base, base)}_{side}" if paired else bone.name
        names.append(bone.name if name in own else name)
    return names if len({*names}) == len(names) else [bone.name for bone in bones]


def ends_of(amc: AMC, names: Sequence[str], file: Path) -> Floats:
    """The positions of the joints or bones of these names, (T, len(names), 3).

    Raises DataError naming those that are not there.
    """
    joints = joint_names(amc.bones)
    of_bone = {bone.name: joint for bone, joint in zip(amc.bones, joints, strict=True)}
    return amc.positions()[:, find_joints(joints, [of_bone.get(name, name) for name in names], file)]


def _motion(file: Path, data: bytes, skeleton: ASF) -> Floats:
    """The values of all dofs, (T, dofs), in the order of the bones."""
    moving = {bone.name.encode(): bone for bone in skeleton.bones if bone.dof}
    order: list[bytes] = []  # of the first frame, which all others keep
    values = bytearray()
    degrees, frames, number, at = skeleton.degrees, 0, -1, 0
    for line, words in _lines(file, data):
        if words[0].startswith(b":") and not frames:
            degrees = {b":degrees": True, b":radians": False}.get(words[0].lower(), degrees)
        elif _is_frame(words):
            if frames and at < len(moving):
                raise wrong(file, f"a frame with a line for each of {len(moving)} bones with dofs", at, line)
            if not int(words[0]) > number:
                raise wrong(file, "a frame's number above that of the one before", int(words[0]), line)
            number, at, frames = int(words[0]), 0, frames + 1
            if frames > MOST_FRAMES or frames * len(skeleton.bones) > MOST_POSITIONS:
                raise wrong(file, f"a recording of at most {min(MOST_FRAMES, MOST_POSITIONS // len(skeleton.bones))} "
                            "frames", frames, line, remedy="cut it into several")  # fmt: skip
        elif frames and (
            words[0] in moving and words[0] not in order if frames == 1 else order[at : at + 1] == words[:1]
        ):
            order.extend(words[:1] if frames == 1 else ())
            at += 1
            values += b" ".join(words[1:]) + b"\n"
        else:
            rule = "the next bone in the order of the first frame" if frames > 1 else "a bone with dofs, once"
            raise wrong(file, rule if frames else "the number of a frame", words[0].decode("utf-8", "replace"), line)
    if not frames or at < len(moving):
        raise wrong(file, f"frames with a line for each of {len(moving)} bones with dofs", at if frames else "no frame")
    return _in_units(_numbers(file, data, bytes(values), [moving[name] for name in order]), order, skeleton, degrees)


def _numbers(file: Path, data: bytes, values: bytes, order: Sequence[Bone]) -> Floats:
    """The values of all frames, (T, dofs), in the order of the file."""
    counts = np.array([len(bone.dof) for bone in order])
    parsed = parse_numbers(values)
    if parsed is not None:
        wanted = np.tile(counts, values.count(b"\n") // len(order))
        wrong_lines = np.flatnonzero(parsed.tokens[:-1] != wanted)
        if not len(wrong_lines) and bool((np.abs(parsed.values) <= MOST_NUMBER).all()):
            return parsed.values.reshape(-1, int(counts.sum()))
    motions = ((line, words) for line, words in _lines(file, data) if not (words[0][:1] == b":" or _is_frame(words)))
    for i, (line, words) in enumerate(motions):
        bone, found = order[i % len(order)], [word.decode("utf-8", "replace") for word in words[1:]]
        if len(found) != len(bone.dof) or not all(
            is_number(word) and abs(float(word)) <= MOST_NUMBER for word in found
        ):
            raise wrong(file, f"a number within {MOST_NUMBER:g} for each dof of {bone.name}",
                        " ".join(found), line)  # fmt: skip
    raise wrong(file, "numbers for the dofs")


def _in_units(values: Floats, order: Sequence[bytes], skeleton: ASF, degrees: bool) -> Floats:
    """The values in the order of the bones, in radians and in the unit of the skeleton."""
    columns, at = {}, 0
    dofs = {bone.name.encode(): bone.dof for bone in skeleton.bones}
    for name in order:
        columns[name] = range(at, at + len(dofs[name]))
        at += len(dofs[name])
    moving = [bone for bone in skeleton.bones if bone.dof]
    turn = np.deg2rad(1.0) if degrees else 1.0
    scale = [turn if channel[0] == "r" else 1 / skeleton.length for bone in moving for channel in bone.dof]
    ordered: Floats = values[:, [column for bone in moving for column in columns[bone.name.encode()]]]
    ordered *= np.array(scale)
    return ordered


def _is_frame(words: Sequence[bytes]) -> bool:
    return len(words) == 1 and words[0].isdigit() and len(words[0]) < 10


def _lines(file: Path, data: bytes) -> Iterator[tuple[int, list[bytes]]]:
    for line, text in enumerate(io.BytesIO(data), start=1):
        if len(text) > _MOST_LINE:
            raise wrong(file, f"a line of at most {_MOST_LINE} bytes", len(text), line)
        words = text.partition(b"#")[0].split()
        if words:
            yield line, words
