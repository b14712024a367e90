"""Reads and writes NTU RGB+D ``.skeleton`` text files.

A file is: the number of frames; for each frame the number of bodies; for each body ten fields, the number of
joints, and a line of twelve numbers a joint (x y z, four image coordinates, four of orientation, tracking state).

The whole file is parsed at once, with numpy and Arrow. If anything in it is irregular, it is parsed again line by line,
which is slow and reports the error and its line.
"""

from __future__ import annotations

import re
import stat
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hico_platform.data.normalise import MOST_BODIES_READ
from hico_platform.data.sequence import MOST_FRAMES, MOST_METRES
from hico_platform.data.text_numbers import NumberText, is_number, parse_numbers
from hico_platform.data.tracks import MOST_BODIES_IN_FRAME, MOST_TRACKS, find_actors
from hico_platform.errors import DataError, Problem

NUM_JOINTS = 25
MOST_BYTES = 16 * 2**20  # four bodies for 300 frames are 4 MiB; at worst a file costs thirty times its size
SUFFIX = ".skeleton"

_BODY_FIELDS = 10
_JOINT_FIELDS = 12
_BODY_LINES = 2 + NUM_JOINTS
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
_FIRST_BODY_ID = 72057594037927936  # like the sensor's ids: too large for a float to represent exactly

Pose = npt.NDArray[np.float32]


class BodyOrder(StrEnum):
    """How a body is followed from frame to frame."""

    FOLLOWED = "followed"
    """By its bodyID, and by its place where the bodyID changes; the two actors that matter (``tracks.find_actors``)."""

    RELEASED = "released"
    """By its position within each frame, as in the released reader; people are mixed up when the order changes."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The bodies of a file."""

    pose: Pose
    """Float32 (T, M, 25, C) in metres, zeros where a body or joint is missing."""
    remarks: Mapping[str, int] = field(default_factory=dict)
    """What following the bodies changed, by name."""


@dataclass(frozen=True, kw_only=True)
class SkeletonName:
    """The fields of a file's name; ``action`` counts from 1."""

    setup: int
    camera: int
    subject: int
    repetition: int
    action: int

    @classmethod
    def parse(cls, name: str) -> SkeletonName | None:
        """From ``SsssCcccPpppRrrrAaaa``; None if the name has another form."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        setup, camera, subject, repetition, action = map(int, match.groups())
        return cls(setup=setup, camera=camera, subject=subject, repetition=repetition, action=action)

    def metadata(self) -> dict[str, int]:
        """The metadata for a store."""
        return {"setup": self.setup, "camera": self.camera, "subject": self.subject, "repetition": self.repetition}

    def __str__(self) -> str:
        """``SsssCcccPpppRrrrAaaa``."""
        parts = zip("SCPRA", (self.setup, self.camera, self.subject, self.repetition, self.action), strict=True)
        return "".join(f"{letter}{number:03d}" for letter, number in parts)


def write_skeleton(path: Path, pose: Pose) -> None:
    """Writes (T, M, J, C) in metres, with nine digits a number, so that float32 values are read back exactly.

    A body whose coordinates are all zero is omitted from its frame. Image coordinates and orientations are zero.
    """
    lines = [str(len(pose))]
    for frame in pose:
        shown = [m for m in range(len(frame)) if frame[m].any()]
        lines.append(str(len(shown)))
        for m in shown:
            lines.append(f"{_FIRST_BODY_ID + m + 1} 0 0 0 0 0 0 0 0 2")
            lines.append(str(len(frame[m])))
            for x, y, z in frame[m].tolist():
                lines.append(f"{x:.9g} {y:.9g} {z:.9g} 0 0 0 0 0 0 0 0 {2 if x or y or z else 0}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def read_skeleton(path: Path, *, bodies: BodyOrder = BodyOrder.FOLLOWED) -> Recording:
    """The bodies of a file: M is 0 to 2, or 0 to 4 with ``BodyOrder.RELEASED``.

    Raises DataError with the file and line of the first thing that is wrong.
    """

    def wrong(rule: str, value: object, remedy: str = "cut the recording into actions") -> DataError:
        return DataError(Problem(file=path, rule=rule, value=value, remedy=remedy))

    state = path.stat()
    if not stat.S_ISREG(state.st_mode):  # reading from a pipe would block
        raise wrong("a file", "a folder, pipe or device", "remove it")
    if state.st_size > MOST_BYTES:
        raise wrong(f"a recording's file of at most {MOST_BYTES} bytes", state.st_size)
    data = path.read_bytes().removeprefix(BOM_UTF8)
    parsed = _parse_at_once(data) or _parse_by_line(data, path)
    if (num_ids := len(set(parsed.ids))) > MOST_TRACKS:
        raise wrong(f"a recording of at most {MOST_TRACKS} bodyIDs", num_ids)
    return _assembled(parsed, bodies)


@dataclass(frozen=True, kw_only=True)
class _Parsed:
    """The B bodies of all frames, in file order."""

    num_frames: int
    frames: list[int]
    """The frame of each body, (B,)."""
    positions: list[int]
    """The position of each body within its frame, (B,)."""
    ids: list[int]
    coordinates: npt.NDArray[np.float64]
    """(B, 25, 3)."""


def _assembled(parsed: _Parsed, order: BodyOrder) -> Recording:
    if order is BodyOrder.RELEASED:
        body = np.array(parsed.positions, np.int64)
        body[body >= MOST_BODIES_READ] = -1
        remarks: Mapping[str, int] = {}
    else:
        actors = find_actors(parsed.frames, parsed.ids, parsed.coordinates)
        body, remarks = actors.numbers, actors.remarks
    pose = np.zeros((parsed.num_frames, body.max(initial=-1) + 1, NUM_JOINTS, 3), np.float32)
    read = body >= 0
    pose[np.array(parsed.frames, np.int64)[read], body[read]] = parsed.coordinates[read]
    return Recording(pose=pose, remarks=remarks)


def _parse_at_once(data: bytes) -> _Parsed | None:
    """The file, parsed in a few passes over all of it; None if it is irregular in any way."""
    text = parse_numbers(data)
    if text is None:
        return None
    found = _find_bodies(data, text)
    if found is None:
        return None
    num_frames, frames, positions, ids, lines = found
    starts = np.array(lines, np.int64)  # line of each body's first joint
    if (text.tokens[starts[:, None] + np.arange(NUM_JOINTS)] != _JOINT_FIELDS).any():
        return None
    picked = text.first[starts][:, None] + np.arange(NUM_JOINTS * _JOINT_FIELDS)
    coordinates = text.values[picked].reshape(-1, NUM_JOINTS, _JOINT_FIELDS)[..., :3]
    if not (np.abs(coordinates) <= MOST_METRES).all():
        return None
    return _Parsed(num_frames=num_frames, frames=frames, positions=positions, ids=ids, coordinates=coordinates)


def _find_bodies(data: bytes, text: NumberText) -> tuple[int, list[int], list[int], list[int], list[int]] | None:
    """The number of frames, and frame, position, id and first joint line of each body, found by the counts alone."""
    tokens = text.tokens.tolist()
    first_numbers = text.values[np.minimum(text.first, len(text.values) - 1)].tolist()  # first number of each line
    last = int(np.flatnonzero(text.tokens)[-1])
    frames: list[int] = []
    positions: list[int] = []
    ids: list[int] = []
    lines: list[int] = []
    line, num_frames = 1, first_numbers[0]
    if tokens[0] != 1 or not 1 <= num_frames <= min(last, MOST_FRAMES) or num_frames % 1:
        return None
    for frame in range(int(num_frames)):
        if line > last or tokens[line] != 1:
            return None
        num_bodies = first_numbers[line]
        line += 1
        if not 0 <= num_bodies <= MOST_BODIES_IN_FRAME or num_bodies % 1 or line + num_bodies * _BODY_LINES - 1 > last:
            return None
        for position in range(int(num_bodies)):
            if tokens[line] != _BODY_FIELDS or tokens[line + 1] != 1 or first_numbers[line + 1] != NUM_JOINTS:
                return None
            start = text.starts[text.first[line]]
            identity = data[start : start + 24].split(None, 1)[0]
            if not identity.isdigit() or len(identity) > 20:
                return None
            frames.append(frame)
            positions.append(position)
            ids.append(int(identity))
            lines.append(line + 2)
            line += _BODY_LINES
    if line != last + 1 or len(set(zip(frames, ids, strict=True))) != len(ids):
        return None
    return int(num_frames), frames, positions, ids, lines


class _Lines:
    """Reads the lines of a file one by one and checks each; errors name the file and line."""

    def __init__(self, data: bytes, path: Path) -> None:
        self._lines = data.rstrip().split(b"\n")
        self._path = path
        self.number = 0

    def wrong(self, rule: str, value: object = None, remedy: str = "get the file again: it is damaged") -> DataError:
        line = max(self.number, 1)
        return DataError(Problem(file=self._path, line=line, rule=rule, value=value, remedy=remedy))

    def take(self, what: str, count: int) -> list[str]:
        """The numbers on the next line, as text; ``count`` of them."""
        if self.number >= len(self._lines):
            raise self.wrong("a file that goes on to its last frame", f"the end before {what}")
        self.number += 1
        try:
            fields = self._lines[self.number - 1].decode("ascii").split()
        except UnicodeDecodeError:
            raise self.wrong(f"text for {what}", remedy="get the file again: this one is binary") from None
        for text in fields:
            if not is_number(text):
                raise self.wrong(f"numbers for {what}", text[:40])
        if len(fields) != count:
            raise self.wrong(f"a line of {count} number{'s' if count > 1 else ''} for {what}", len(fields))
        return fields

    def whole(self, what: str) -> int:
        """The whole number, 0 or more, that is the only one on the next line."""
        (text,) = self.take(what, 1)
        return self.natural(text, what)

    def natural(self, text: str, what: str) -> int:
        if not text.isdigit() or len(text) > 20:
            raise self.wrong(f"a whole number for {what}", text[:40])
        return int(text)

    def finish(self) -> None:
        if self.number < len(self._lines):
            self.number += 1
            extra = self._lines[self.number - 1][:40].decode("ascii", "replace")
            raise self.wrong("a file that ends after the frames it announced", extra)


def _parse_by_line(data: bytes, path: Path) -> _Parsed:
    lines = _Lines(data, path)
    if not data.strip():
        raise lines.wrong("a .skeleton file with content")
    num_frames = lines.whole("the number of frames")
    if num_frames == 0:
        raise lines.wrong("a recording of at least one frame", 0, "leave this file out")
    if num_frames > MOST_FRAMES:
        raise lines.wrong(f"a recording of at most {MOST_FRAMES} frames", num_frames, "cut it into actions")
    frames: list[int] = []
    positions: list[int] = []
    ids: list[int] = []
    joints: list[list[float]] = []
    for frame in range(num_frames):
        seen: set[int] = set()
        num_bodies = lines.whole("the number of bodies")
        if num_bodies > MOST_BODIES_IN_FRAME:
            raise lines.wrong(f"a frame of at most {MOST_BODIES_IN_FRAME} bodies, as the sensor tracks", num_bodies)
        for position in range(num_bodies):
            fields = lines.take("a body", _BODY_FIELDS)
            identity = lines.natural(fields[0], "a bodyID")
            if identity in seen:
                raise lines.wrong("a bodyID that occurs once in a frame", identity)
            seen.add(identity)
            frames.append(frame)
            positions.append(position)
            ids.append(identity)
            count = lines.whole("the number of joints")
            if count != NUM_JOINTS:
                raise lines.wrong(f"a body of {NUM_JOINTS} joints", count)
            joints.extend(_joints(lines))
    lines.finish()
    coordinates = np.array(joints, np.float64).reshape(-1, NUM_JOINTS, 3)
    return _Parsed(num_frames=num_frames, frames=frames, positions=positions, ids=ids, coordinates=coordinates)


def _joints(lines: _Lines) -> Iterable[list[float]]:
    for _ in range(NUM_JOINTS):
        xyz = [float(text) for text in lines.take("a joint", _JOINT_FIELDS)[:3]]
        if not all(map(np.isfinite, xyz)):
            raise lines.wrong("a coordinate that is a finite number", " ".join(map(str, xyz)))
        if max(map(abs, xyz)) > MOST_METRES:
            raise lines.wrong(f"a coordinate within {MOST_METRES:g} metres", " ".join(map(str, xyz)))
        yield xyz
