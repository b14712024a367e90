"""How columns of a CSV file, or keys of a JSON file, become joints: for recordings as other programs export them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hico_platform.data.sequence import MissingJoint, Unit
from hico_platform.errors import ConfigError, Problem

_MOST_PATTERN = 500
_MOST_COLUMNS = 100_000


@dataclass(frozen=True, kw_only=True)
class CSVColumns:
    """Which columns of a CSV file hold what; a column is named, or numbered from 0 where there is no header.

    With ``joint`` a row holds one joint of a frame, otherwise all of them.
    """

    separator: str = ","
    """A character, or ``space`` for any number of spaces and tabs."""
    header: bool = True
    columns: str = "{joint}_{axis}"
    """The name of a column, in which ``{joint}`` and ``{axis}`` stand for the names of a joint and a coordinate."""
    first: int = 0
    """Without a header: the column of the first coordinate."""
    step: int = 3
    """Without a header: from one joint's first coordinate to the next one's."""
    axes: tuple[str, ...] = ("x", "y", "z")
    frame: str | int | None = None
    body: str | int | None = None
    joint: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class JSONPaths:
    """Where a JSON file holds what: paths of keys and of indices from 0, joined by dots, each within the one before.

    An empty path is the value itself.
    """

    frames: str = ""
    """The list of frames, in the file."""
    bodies: str | None = None
    """The list of bodies, in a frame; without it a frame is of one body."""
    body: str | None = None
    """The id of a body, in a body; without it the position in the list."""
    joints: str = ""
    """The joints, in a body: a list, or an object with a key for each joint."""
    joint: str | None = None
    """The name of a joint, in a joint, if the joints are a list in no certain order."""
    axes: tuple[str, ...] = ("x", "y", "z")
    """The coordinates, in a joint."""


@dataclass(frozen=True, kw_only=True)
class BVHFile:
    """A BVH file, which says itself what it holds."""


@dataclass(frozen=True, kw_only=True)
class AMCFile:
    """An AMC file with its skeleton beside it, which say themselves what they hold."""


@dataclass(frozen=True, kw_only=True)
class TableMap:
    """Which files are recordings, what their names say, and where they hold the coordinates."""

    content: CSVColumns | JSONPaths | BVHFile | AMCFile
    files: str
    """A pattern of file names, searched in folders of any depth."""
    name: str | None = None
    """A regular expression over a file's path below the folder; its named groups are metadata, ``label`` the class."""
    classes: Mapping[str, str] = field(default_factory=dict)
    """Class names by what the group ``label`` holds, in the order of the labels; None for the labels themselves."""
    layout: str | None = None
    """A built-in layout, which is used where none is named."""
    joints: tuple[str, ...] | None = None
    """What the file calls the joints of the layout, in its order; None if it uses the layout's names."""
    axes: tuple[str, ...] = ("x", "y", "z")
    """Which coordinate of the file becomes x, y and z; a minus turns it around."""
    unit: Unit = Unit.M
    scale: float = 1.0
    """How many units a length of 1 in the file is."""
    missing: MissingJoint = MissingJoint.NAN

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TableMap:
        """A map from the plain values of a YAML file.

        Raises ConfigError naming the key that is missing, unknown, or has a value of another kind.
        """
        values = _checked(plain, _MAP_KEYS, "")
        kinds = [key for key in _KINDS if key in values]
        if len(kinds) != 1:
            raise _wrong("csv", f"one of the keys {', '.join(_KINDS)}", kinds, "give one of them")
        kind, keys = _KINDS[kinds[0]]
        content = kind(**_checked(values.pop(kinds[0]), keys, f"{kinds[0]}."))
        if isinstance(content, CSVColumns):
            _check_columns(content)
        if isinstance(content, AMCFile):
            values.setdefault("unit", Unit.IN)
        classes = {str(label): name for label, name in values.pop("classes", {}).items()}
        return cls(content=content, files=values.pop("files", f"*.{kinds[0]}"), classes=classes, **values)


def _check_columns(columns: CSVColumns) -> None:
    if columns.joint is None and columns.header and "{joint}" not in columns.columns:
        raise _wrong("csv.columns", "a column's name with {joint}", columns.columns, "write such as {joint}_{axis}")
    if columns.header and "{axis}" not in columns.columns:
        raise _wrong("csv.columns", "a column's name with {axis}", columns.columns, "write such as {joint}_{axis}")
    if columns.frame is None and (columns.body is not None or columns.joint is not None):
        raise _wrong("csv.frame", "the column of the frame, for a frame of several rows", None, "name it")
    for key in ("frame", "body", "joint"):
        column = getattr(columns, key)
        if column is not None and isinstance(column, str) != columns.header:
            rule = "a column's name" if columns.header else "a column's number from 0, without a header"
            raise _wrong(f"csv.{key}", rule, column, "correct the map")


@dataclass(frozen=True, kw_only=True)
class _Key:
    rule: str
    fits: Callable[[Any], bool]
    made: Callable[[Any], Any] = lambda value: value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_COLUMNS


def _is_separator(value: Any) -> bool:
    return _is_text(value) and (value == "space" or (len(value) == 1 and value not in '"\r\n\0'))


def _is_scale(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9


def _is_column(value: Any) -> bool:
    return _is_filled(value) or _is_index(value)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_filled, value)) and len(set(value)) == len(value) > 0


def _are_axes(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_column, value))


def _turns(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and sorted(v.lstrip("-") for v in value) == [*"xyz"]


def _is_expression(value: Any) -> bool:
    if not _is_filled(value) or len(value) > _MOST_PATTERN:
        return False
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _is_file_pattern(value: Any) -> bool:
    if not _is_filled(value) or ".." in value:
        return False
    try:
        list(Path(os.devnull).rglob(value))
    except (ValueError, NotImplementedError, OSError):
        return False
    return True


def _are_classes(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(label, str | int) and not isinstance(label, bool) and _is_filled(name)
        for label, name in value.items()
    )


def _texts(value: list[Any]) -> tuple[str, ...]:
    return tuple(map(str, value))


_PATH = _Key(rule="a path of keys, such as body.joints", fits=_is_text)
_NAMED_AXES = _Key(rule="a list of the names of three coordinates", fits=_are_axes, made=_texts)
_COLUMN = _Key(rule="a column's name, or its number from 0", fits=_is_column)
_INDEX = _Key(rule="a whole number from 0", fits=_is_index)
_CSV_KEYS = {
    "separator": _Key(rule="a character, or space", fits=_is_separator),
    "header": _Key(rule="true or false", fits=lambda value: isinstance(value, bool)),
    "columns": _Key(rule="a column's name with {joint} and {axis}", fits=_is_filled),
    "first": _INDEX, "step": _INDEX, "axes": _NAMED_AXES, "frame": _COLUMN, "body": _COLUMN, "joint": _COLUMN,
}  # fmt: skip
_JSON_KEYS = {
    "frames": _PATH, "bodies": _PATH, "body": _PATH, "joints": _PATH, "joint": _PATH, "axes": _NAMED_AXES,
}  # fmt: skip
_KINDS: dict[str, tuple[type[CSVColumns | JSONPaths | BVHFile | AMCFile], Mapping[str, _Key]]] = {
    "csv": (CSVColumns, _CSV_KEYS), "json": (JSONPaths, _JSON_KEYS), "bvh": (BVHFile, {}),
    "amc": (AMCFile, {}),
}  # fmt: skip
_MAP_KEYS = {
    "files": _Key(rule="a pattern of file names, such as *.csv", fits=_is_file_pattern),
    "name": _Key(rule="a regular expression", fits=_is_expression),
    "classes": _Key(rule="a mapping of labels to names of classes", fits=_are_classes),
    "layout": _Key(rule="the name of a layout", fits=_is_filled),
    "joints": _Key(rule="a list of names, each once", fits=_are_names, made=tuple),
    "axes": _Key(rule="a list of x, y and z, each once, with or without a minus", fits=_turns, made=tuple),
    "unit": _Key(rule=f"one of {', '.join(Unit)}", fits=lambda value: value in tuple(Unit), made=Unit),
    "scale": _Key(rule="a number above 0", fits=_is_scale, made=float),
    "missing": _Key(rule=f"one of {', '.join(MissingJoint)}", fits=lambda value: value in tuple(MissingJoint),
                    made=MissingJoint),
    "csv": _Key(rule="a mapping", fits=lambda value: isinstance(value, Mapping)),
    "json": _Key(rule="a mapping", fits=lambda value: isinstance(value, Mapping)),
    "bvh": _Key(rule="an empty mapping", fits=lambda value: isinstance(value, Mapping)),
    "amc": _Key(rule="an empty mapping", fits=lambda value: isinstance(value, Mapping)),
}  # fmt: skip


def _checked(plain: Mapping[str, Any], keys: Mapping[str, _Key], place: str) -> dict[str, Any]:
    checked = {}
    for name, value in plain.items():
        key = keys.get(name)
        if key is None:
            raise _wrong(
                f"{place}{name}", f"one of the keys {', '.join(keys) or 'none'}", name, "correct or leave out this key"
            )
        if not key.fits(value):
            raise _wrong(f"{place}{name}", key.rule, value, "correct the map")
        checked[name] = key.made(value)
    return checked


def _wrong(key: str, rule: str, value: object, remedy: str) -> ConfigError:
    return ConfigError(Problem(field=f"map.{key}", rule=rule, value=value, remedy=remedy))
