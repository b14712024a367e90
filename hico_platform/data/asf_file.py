"""Reads the skeleton of Acclaim motion capture (.asf): bones with their length, direction, axis and dofs.

The format as the "Acclaim Skeleton File Definition V1.10" (Schafer, 1994) and CMU's "ASF line details" describe it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hico_platform.data.bvh_file import MOST_JOINTS, MOST_NUMBER
from hico_platform.data.text_numbers import is_number
from hico_platform.errors import DataError, Problem

Triple = tuple[float, float, float]
Words = tuple[int, list[str]]

_MOST_SKELETON_BYTES = 2**20
_SPACES = str.maketrans(",()", "   ")
_BONE_KEYS = frozenset({"id", "name", "direction", "length", "axis", "dof", "limits", "bodymass", "cofmass"})
_REMEDY = "export it as ASF and AMC again"


@dataclass(frozen=True, kw_only=True)
class Bone:
    """A bone, whose end is the joint of its name; or the root, a joint without a bone."""

    name: str
    parent: int = -1
    """The index of its parent; -1 for the root."""
    offset: Triple
    """From its parent's end to its own at rest, in the unit of the file divided by its scale ``length``."""
    axis: Triple = (0.0, 0.0, 0.0)
    """Radians about x, then y, then z."""
    dof: tuple[str, ...] = ()
    """The values of a line of motion, such as ``rx``, in the order in which they rotate."""


@dataclass(frozen=True, kw_only=True)
class ASF:
    """A skeleton: its bones, a parent before its children, and the units of its motions."""

    bones: tuple[Bone, ...]
    length: float
    degrees: bool


def read_asf(file: Path) -> ASF:
    """The skeleton of a file. Raises DataError with the line of what is wrong."""
    size = file.stat().st_size
    if size > _MOST_SKELETON_BYTES:
        raise wrong(file, f"a skeleton of at most {_MOST_SKELETON_BYTES} bytes", size)
    return _Skeleton(file, file.read_bytes()).read()


def skeleton_of(file: Path) -> Path:
    """The .asf of a motion: NN_MM.asf or NN.asf for NN_MM.amc, else the only one of its folder.

    Raises DataError if there is none, or several of other names.
    """
    stem = file.stem
    while stem:
        beside = file.with_name(f"{stem}.asf")
        if beside.is_file():
            return beside
        stem = stem.rpartition("_")[0]
    found = sorted(file.parent.glob("*.asf"))
    if len(found) != 1:
        raise wrong(file, "a skeleton beside it, such as NN.asf for NN_MM.amc", [one.name for one in found][:12],
                     remedy="put the .asf of its subject there")  # fmt: skip
    return found[0]


class _Skeleton:
    """The sections of a skeleton, in words with their lines; a comma and a bracket are spaces."""

    def __init__(self, file: Path, data: bytes) -> None:
        self._file = file
        self._sections: dict[str, list[Words]] = {}
        here: list[Words] | None = None
        for line, text in enumerate(data.decode("utf-8", "replace").removeprefix("\ufeff").splitlines(), start=1):
            words = text.partition("#")[0].translate(_SPACES).split()
            if words and words[0].startswith(":"):
                name = words[0].lower()
                if name in self._sections:
                    raise wrong(file, "a section that no other repeats", name, line)
                here = self._sections[name] = []
            elif words and here is None:
                raise wrong(file, "a section such as :version before anything else", words[0], line)
            elif words and here is not None:
                here.append((line, words))

    def read(self) -> ASF:
        units = self._keyed(":units", ("length", "mass", "angle"))
        length = self._numbers(*units["length"], 1)[0] if "length" in units else 1.0
        if not length > 1 / MOST_NUMBER:
            raise wrong(self._file, "a scale of lengths above 0", length, units["length"][0])
        line, words = units.get("angle", (None, []))
        if words not in (["deg"], ["rad"]):
            raise wrong(self._file, "an angle deg or rad in :units", " ".join(words) or None, line)
        degrees = words == ["deg"]
        bones = self._bones(length, np.deg2rad(1.0) if degrees else 1.0)
        return ASF(bones=self._in_order(self._root(length), bones), length=length, degrees=degrees)

    def _root(self, length: float) -> Bone:
        found = self._keyed(":root", ("order", "axis", "position", "orientation"))
        line, words = found.get("order", (None, []))
        dof = tuple(word.lower() for word in words)
        if not dof or len({*dof}) < len(dof) or not {*dof} <= {"tx", "ty", "tz", "rx", "ry", "rz"}:
            raise wrong(self._file, "an order of the root such as TX TY TZ RX RY RZ", " ".join(words) or None, line)
        x, y, z = self._numbers(*found["position"], 3) if "position" in found else (0.0, 0.0, 0.0)
        if "orientation" in found and any(self._numbers(*found["orientation"], 3)):
            raise wrong(self._file, "an orientation 0 0 0 of the root, for programs differ on any other",
                         " ".join(found["orientation"][1]), found["orientation"][0])  # fmt: skip
        return Bone(name="root", offset=(x / length, y / length, z / length), dof=dof)

    def _bones(self, length: float, radians: float) -> dict[str, Bone]:
        bones: dict[str, Bone] = {}
        here: dict[str, Words] | None = None
        for line, words in self._section(":bonedata"):
            key = words[0].lower()
            if key == "begin" and here is None:
                here = {}
            elif key == "end" and here is not None:
                bone = self._bone(here, line, length, radians)
                if bone.name in bones or bone.name == "root":
                    raise wrong(self._file, "a name that no other bone has", bone.name, here["name"][0])
                bones[bone.name] = bone
                here = None
            elif here is not None and key in _BONE_KEYS and key not in here:
                here[key] = line, words[1:]
            elif here is None or "limits" not in here or not is_number(key):  # limits, which are not used, go on
                raise wrong(self._file, "one of begin, end and the keys of a bone, each once", words[0], line)
            if len(bones) >= MOST_JOINTS:
                raise wrong(self._file, f"at most {MOST_JOINTS - 1} bones", len(bones), line)
        if here is not None or not bones:
            raise wrong(self._file, "a bone from begin to end in :bonedata")
        return bones

    def _bone(self, found: dict[str, Words], end: int, length: float, radians: float) -> Bone:
        missing = [key for key in ("name", "direction", "length", "axis") if not found.get(key, (0, []))[1]]
        if missing or len(found["name"][1]) > 1:
            raise wrong(
                self._file,
                "a bone with one name, direction, length and axis",
                f"no {missing[0]}" if missing else " ".join(found["name"][1]),
                end,
            )
        line, words = found["axis"]
        if words[-1].upper() != "XYZ":
            raise wrong(self._file, "an axis in the order XYZ", words[-1], line)
        x, y, z = (angle * radians for angle in self._numbers(line, words[:-1], 3))
        line, words = found.get("dof", (end, []))
        dof = tuple(word.lower() for word in words)
        if len({*dof}) < len(dof) or not {*dof} <= {"rx", "ry", "rz"}:
            raise wrong(self._file, "a dof of rx, ry and rz, each once", " ".join(words), line)
        size = self._numbers(*found["length"], 1)[0] / length
        across, up, ahead = (part * size for part in self._numbers(*found["direction"], 3))
        return Bone(name=found["name"][1][0], offset=(across, up, ahead), axis=(x, y, z), dof=dof)

    def _in_order(self, root: Bone, bones: dict[str, Bone]) -> tuple[Bone, ...]:
        children: dict[str, list[str]] = {}
        placed = {"root"}
        for line, words in self._section(":hierarchy"):
            if words in (["begin"], ["end"]):
                continue
            for i, name in enumerate(words):
                if name not in bones and name != "root":
                    raise wrong(self._file, "a bone of :bonedata", name, line)
                if i and name in placed:
                    raise wrong(self._file, "a bone with one parent", name, line)
                if i:
                    placed.add(name)
            children.setdefault(words[0], []).extend(words[1:])
        ordered: list[Bone] = []
        waiting = [(root, -1)]
        while waiting:
            bone, parent = waiting.pop()
            waiting.extend((bones[name], len(ordered)) for name in reversed(children.get(bone.name, [])))
            ordered.append(replace(bone, parent=parent))
        lost = {*bones} - {bone.name for bone in ordered}
        if lost:
            raise wrong(self._file, "a :hierarchy from root to every bone", sorted(lost)[:12])
        return tuple(ordered)

    def _section(self, name: str) -> list[Words]:
        if name not in self._sections:
            raise wrong(self._file, f"a section {name}")
        return self._sections[name]

    def _keyed(self, section: str, keys: Sequence[str]) -> dict[str, Words]:
        found: dict[str, Words] = {}
        for line, words in self._section(section):
            key = words[0].lower()
            if key not in keys or key in found:
                raise wrong(self._file, f"one of {', '.join(keys)}, each once", words[0], line)
            found[key] = line, words[1:]
        return found

    def _numbers(self, line: int, words: Sequence[str], count: int) -> list[float]:
        numbers = [float(word) for word in words if is_number(word)]
        if len(numbers) != count or len(words) != count or not np.all(np.abs(numbers) <= MOST_NUMBER):
            rule = (
                f"exactly {count} numbers within {MOST_NUMBER:g}" if count > 1 else f"a number within {MOST_NUMBER:g}"
            )
            raise wrong(self._file, rule, " ".join(words), line)
        return numbers


def wrong(file: Path, rule: str, value: object = None, line: int | None = None, *, remedy: str = _REMEDY) -> DataError:
    """The error of a skeleton or a motion."""
    shown = value[:60] if isinstance(value, str) else value
    return DataError(Problem(file=file, line=line, rule=rule, value=shown, remedy=remedy))
