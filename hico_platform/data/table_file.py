"""Reads a recording from a CSV, JSON, BVH or AMC file as a ``TableMap`` describes it."""

from __future__ import annotations

import csv
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.amc_file import ends_of, read_amc
from hico_platform.data.asf_file import skeleton_of
from hico_platform.data.bvh_file import pose_of, read_bvh
from hico_platform.data.json_file import read_json
from hico_platform.data.layout import Layout
from hico_platform.data.sequence import MOST_FRAMES, MissingJoint, Unit
from hico_platform.data.table_map import AMCFile, BVHFile, CSVColumns, JSONPaths, TableMap
from hico_platform.data.text_numbers import is_number
from hico_platform.data.tracks import find_actors
from hico_platform.errors import DataError, Problem

Floats = npt.NDArray[np.float64]

MOST_BYTES = 32 * 2**20
_MOST_LINE_CHARACTERS = 2**20
_MOST_BODIES = 100_000  # body-frames
LEFT_OUT = "frames that a file leaves out between others, in which nobody was found"
_JSON_REMEDY = "correct joints and axes of the map"
_NO_NUMBER = ("", "nan", "na", "null", "none")


@dataclass(kw_only=True)
class _Bodies:
    """The bodies of a recording as they are found, in any order."""

    file: Path
    joints: int
    found: dict[tuple[Hashable, Hashable], Floats] = field(default_factory=dict)
    """Coordinates (J, C) by frame and body."""
    frames: dict[Hashable, None] = field(default_factory=dict)

    def add_frame(self, frame: Hashable, line: int | None = None) -> None:
        """A frame, in which there may be no body."""
        self.frames[frame] = None
        if len(self.frames) > MOST_FRAMES:
            raise wrong(self.file, f"a recording of at most {MOST_FRAMES} frames", len(self.frames), line)

    def body(self, frame: Hashable, body: Hashable, line: int | None = None) -> Floats:
        """The coordinates of a body, to be filled in."""
        self.add_frame(frame, line)
        key = frame, body
        if key not in self.found:
            if len(self.found) >= _MOST_BODIES:
                raise wrong(self.file, f"a recording of at most {_MOST_BODIES} bodies", len(self.found), line)
            self.found[key] = np.full((self.joints, 3), np.nan)
        return self.found[key]


def read_table(
    file: Path, table: TableMap, layout: Layout, *, unit: Unit | None = None
) -> tuple[Floats, Mapping[str, int]]:
    """The pose (T, M, J, C) in metres, and remarks about its bodies. NaN where a joint or a body is not in the file.

    ``unit`` takes the place of the map's.

    Raises DataError with file, line and column of what does not fit the map, or the file has no such content.
    """
    names = table.joints or layout.joints
    if len(names) != len(layout.joints):
        raise DataError(
            Problem(field="map.joints", rule=f"names of the {len(layout.joints)} joints of {layout.name}",
                    value=len(names), remedy="name all of them, or another layout by --layout")
        )  # fmt: skip
    metres = (unit or table.unit).metres * table.scale
    remarks: Mapping[str, int] = {}
    if isinstance(table.content, BVHFile):
        pose = pose_of(read_bvh(file), names, file)[:, None] * metres  # (T, M, J, C)
    elif isinstance(table.content, AMCFile):
        pose = ends_of(read_amc(file), names, file)[:, None] * metres
    else:
        bodies = _Bodies(file=file, joints=len(names))
        if isinstance(table.content, CSVColumns):
            _read_csv(file, table.content, names, bodies)
        else:
            _read_json(file, table.content, names, bodies)
        pose, remarks = _assembled(bodies, metres)
    if table.missing is MissingJoint.ZERO:
        pose[~pose.any(axis=-1)] = np.nan
    letters = [axis.lstrip("-") for axis in table.axes]
    signs = [-1.0 if axis.startswith("-") else 1.0 for axis in table.axes]
    return pose[..., ["xyz".index(letter) for letter in letters]] * np.array(signs), remarks


def files_of(file: Path, table: TableMap | None) -> tuple[Path, ...]:
    """The files that a recording is read from: of a motion also its skeleton."""
    if table is None or not isinstance(table.content, AMCFile):
        return (file,)
    try:
        return file, skeleton_of(file)
    except (DataError, OSError, ValueError):  # reading it says so
        return (file,)


def _assembled(bodies: _Bodies, metres: float) -> tuple[Floats, Mapping[str, int]]:
    """Bodies told apart by their ids; a person whose id changes stays one, see ``find_actors``."""
    order, left_out = _times(list(bodies.frames))
    length = len(order) + left_out
    found = sorted(((order[frame], body, part) for (frame, body), part in bodies.found.items()), key=lambda one: one[0])
    if not found:
        return np.zeros((length, 0, bodies.joints, 3)), {}
    coordinates = np.stack([part for _, _, part in found]) * metres  # (B, J, C)
    frames = [t for t, _, _ in found]
    numbers = {body: i for i, body in enumerate(dict.fromkeys(body for _, body, _ in found))}
    with np.errstate(invalid="ignore"):
        finite = np.where(np.isfinite(coordinates).all(axis=-1, keepdims=True), coordinates, 0.0)
    actors = find_actors(frames, [numbers[body] for _, body, _ in found], finite)
    pose = np.full((length, actors.numbers.max(initial=-1) + 1, bodies.joints, 3), np.nan)
    kept = actors.numbers >= 0
    pose[np.array(frames)[kept], actors.numbers[kept]] = coordinates[kept]
    return pose, {**actors.remarks, LEFT_OUT: left_out} if left_out else actors.remarks


def _times(frames: list[Hashable]) -> tuple[dict[Hashable, int], int]:
    """When each frame is, and how many between them the file leaves out, since nobody was found in them.

    Frames are left out where all have whole numbers of which some follow one another: else they are times, or every
    other frame.
    """
    ordered = _in_order(frames)
    times = {frame: t for t, frame in enumerate(ordered)}
    if not all(isinstance(frame, str) and is_number(frame) for frame in ordered):
        return times, 0
    numbers = [float(str(frame)) for frame in ordered]
    if not all(number.is_integer() for number in numbers):
        return times, 0
    span = int(numbers[-1] - numbers[0]) + 1 if numbers else 0
    if span > MOST_FRAMES or 1 not in np.diff(numbers):
        return times, 0
    return {frame: int(number - numbers[0]) for frame, number in zip(ordered, numbers, strict=True)}, span - len(frames)


def _in_order(frames: list[Hashable]) -> list[Hashable]:
    """Numbers ascending; anything else as it comes."""
    if all(isinstance(frame, str) and is_number(frame) and np.isfinite(float(frame)) for frame in frames):
        return sorted(frames, key=lambda frame: float(str(frame)))
    return frames


def _read_csv(file: Path, columns: CSVColumns, names: Sequence[str], bodies: _Bodies) -> None:
    rows = _rows(file, columns.separator)
    head = next((cells for _, cells in rows if any(cells)), []) if columns.header else None
    place = _Places(file, columns, names, head)
    for line, cells in rows:
        if not any(cells):  # a frame in which nobody was found, where a row is one; else it says of which nothing
            if place.frame is None and place.joint is None:
                bodies.add_frame(line, line)
            continue
        if len(cells) <= place.last:
            raise wrong(file, f"a row of at least {place.last + 1} cells", len(cells), line)
        frame: Hashable = line if place.frame is None else cells[place.frame]
        body: Hashable = 0 if place.body is None else cells[place.body]
        pose = bodies.body(frame, body, line)
        joint = None if place.joint is None else place.joint_of(cells[place.joint], line)
        into, at = (pose, place.coordinates) if joint is None else (pose[joint : joint + 1], place.coordinates)
        if not np.isnan(into).all():
            raise wrong(file, "a row that no other row repeats", f"frame {frame}, body {body}", line)
        into[:] = [[_number(file, line, column, cells[column]) for column in three] for three in at]


class _Places:
    """The columns of a file by what they hold."""

    def __init__(self, file: Path, columns: CSVColumns, names: Sequence[str], head: list[str] | None) -> None:
        self._file = file
        self._joints = {name: j for j, name in enumerate(names)} | {str(j): j for j in range(len(names))}
        self.frame, self.body, self.joint = (
            self._column(name, head) for name in (columns.frame, columns.body, columns.joint)
        )
        wanted = [None] if columns.joint is not None else list(names)
        self.coordinates: list[list[int]] = []
        for j, name in enumerate(wanted):
            if head is None:
                start = columns.first + j * columns.step
                self.coordinates.append([start, start + 1, start + 2])
                continue
            titles = [columns.columns.replace("{joint}", name or "").replace("{axis}", axis) for axis in columns.axes]
            self.coordinates.append([self._named(title, head) for title in titles])
        known = [column for column in (self.frame, self.body, self.joint) if column is not None]
        self.last = max([*known, *(column for three in self.coordinates for column in three)])

    def joint_of(self, cell: str, line: int) -> int:
        """The joint that a cell names, or numbers from 0."""
        if cell not in self._joints:
            raise wrong(self._file, "the name or number of a joint", cell[:60], line, field="joint")
        return self._joints[cell]

    def _column(self, column: str | int | None, head: list[str] | None) -> int | None:
        return self._named(column, head) if isinstance(column, str) and head is not None else column  # type: ignore[return-value]

    def _named(self, title: str, head: list[str]) -> int:
        if head.count(title) != 1:
            raise wrong(self._file, "a column of this name, once", head[:12], 1, field=title[:60],
                        remedy="correct columns, axes or joints of the map")  # fmt: skip
        return head.index(title)


def _rows(file: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Lines and their cells, without blank lines; a row of empty cells is one."""
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise wrong(file, f"a recording's file of at most {MOST_BYTES} bytes", size, remedy="cut it into several")
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            lines = _bounded(file, stream)
            if separator == "space":
                rows = ((line, text.split()) for line, text in enumerate(lines, start=1))
            else:
                reader = csv.reader(lines, delimiter=separator, strict=True)
                rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
            for line, cells in rows:
                if len(cells) > 1 or any(cells):
                    yield line, cells
    except (csv.Error, UnicodeDecodeError) as error:
        raise wrong(file, "a CSV file", str(error)) from None


def _bounded(file: Path, stream: Any) -> Iterator[str]:
    while text := stream.readline(_MOST_LINE_CHARACTERS):
        if len(text) == _MOST_LINE_CHARACTERS:
            raise wrong(file, f"a line of fewer than {_MOST_LINE_CHARACTERS} characters", len(text))
        yield text


def _number(file: Path, line: int, column: int, cell: str) -> float:
    if cell.lower() in _NO_NUMBER:
        return np.nan
    if not is_number(cell):
        raise wrong(file, "a coordinate that is a number", cell[:60], line, field=f"column {column + 1}")
    return float(cell)


def _read_json(file: Path, paths: JSONPaths, names: Sequence[str], bodies: _Bodies) -> None:
    frames = _at(read_json(file, most_bytes=MOST_BYTES), paths.frames)
    if not isinstance(frames, list):
        raise wrong(file, "a list of frames", type(frames).__name__, field=paths.frames, remedy="correct the map")
    for t, frame in enumerate(frames):
        bodies.add_frame(t)
        people = _people(_at(frame, paths.bodies) if paths.bodies is not None else [frame])
        if people is None:
            raise wrong(file, "a list of bodies", field=f"frames[{t}].{paths.bodies}")
        for i, (key, person) in enumerate(people):
            joints = _at(person, paths.joints)
            if joints is None:  # nobody was seen
                continue
            identity = key if paths.body is None else _at(person, paths.body)
            if not isinstance(identity, str | int | float):
                raise wrong(file, "a body's id", field=f"frames[{t}].{paths.bodies}[{i}].{paths.body}")
            if (t, identity) in bodies.found:
                raise wrong(file, "an id once in a frame", str(identity)[:60], field=f"frames[{t}]")
            pose = _joints(joints, paths, names)
            if pose is None:
                rule = f"a list of {len(names)} joints, each with {', '.join(paths.axes)}"
                raise wrong(file, rule, field=f"frames[{t}].{paths.joints}", remedy=_JSON_REMEDY)
            bodies.body(t, identity)[:] = pose
    if all(np.isnan(part).all() for part in bodies.found.values()):
        raise wrong(file, "a joint in at least one frame", 0, field=paths.joints, remedy=_JSON_REMEDY)


def _people(found: Any) -> list[tuple[Hashable, Any]] | None:
    """The bodies of a frame with their ids; none where there is nothing."""
    if isinstance(found, Mapping):
        return list(found.items())
    return list(enumerate(found)) if isinstance(found, list) else [] if found is None else None


def _joints(joints: Any, paths: JSONPaths, names: Sequence[str]) -> list[list[float]] | None:
    """The coordinates of the joints (J, C); None if they are not all there."""
    if paths.joint is not None and isinstance(joints, list):
        joints = {str(_at(joint, paths.joint)): joint for joint in joints}
    if isinstance(joints, Mapping):
        joints = [joints.get(name) for name in names]
    if not isinstance(joints, list) or len(joints) != len(names):
        return None
    pose = [[_coordinate(_at(joint, axis)) for axis in paths.axes] for joint in joints]
    return None if any(number is None for three in pose for number in three) else pose  # type: ignore[return-value]


def _coordinate(value: Any) -> float | None:
    if value is None:
        return np.nan
    try:
        return float(value) if type(value) in (int, float) else None
    except OverflowError:
        return None


def _at(value: Any, path: str) -> Any:
    """What is at a path of keys and indices; None if there is nothing."""
    for key in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 7 and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def wrong(
    file: Path, rule: str, value: object = None, line: int | None = None, *, field: str = "",
    remedy: str = "correct the file, or the map of its columns",
) -> DataError:  # fmt: skip
    """The error of a file that does not fit its map."""
    return DataError(Problem(file=file, line=line, field=field, rule=rule, value=value, remedy=remedy))
