"""A list of class names, for labels that are numbers."""

from __future__ import annotations

from pathlib import Path

from hico_platform.data.file_kind import file_kind
from hico_platform.data.readers._base import MOST_CLASSES
from hico_platform.errors import DataError, Problem

_MOST_BYTES = 2**20


def read_class_names(file: Path) -> tuple[str, ...]:
    """The names in a file of one name a line; the first is that of label 0. Raises DataError naming the line."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        kind = file_kind(file)
        raise _wrong(file, None, "a text file of one class name a line", kind.name if kind else str(error)) from None
    if len(content) > _MOST_BYTES:
        raise _wrong(file, None, f"a list of at most {_MOST_BYTES} bytes", "a longer one")
    names = [line.strip() for line in text.rstrip().split("\n")]
    if len(names) > MOST_CLASSES:
        raise _wrong(file, None, f"at most {MOST_CLASSES} class names", len(names))
    lines: dict[str, int] = {}
    for line, name in enumerate(names, start=1):
        if not name:
            raise _wrong(file, line, "the name of a class", "an empty line")
        if name in lines:
            raise _wrong(file, line, "a name that no other class has", f"{name}, as in line {lines[name]}")
        lines[name] = line
    return tuple(names)


def _wrong(file: Path, line: int | None, rule: str, value: object) -> DataError:
    remedy = "give one name a line, that of label 0 first"
    return DataError(Problem(file=file, line=line, field="class-names", rule=rule, value=value, remedy=remedy))
