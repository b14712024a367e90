"""The labels of a table: whole numbers from 0, or names of classes; an empty cell says that there is none.

Names are numbered in their order by code point, which does not depend on the order of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hico_platform.data.readers._base import MOST_CLASSES
from hico_platform.data.whole_number import whole_number, whole_number_of_text
from hico_platform.errors import DataError, Problem

_NO_LABEL = ("", "nan")
_OR_EMPTY = "or leave the cell empty where there is no label"


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The classes of a table's labels, and how its cells are read."""

    class_names: tuple[str, ...]
    classes: Mapping[int | str, int]
    """The class of each label that is valid."""
    rule: str
    remedy: str

    @classmethod
    def of(cls, cells: Iterable[object], *, class_names: tuple[str, ...] = ()) -> Labels:
        """How a column is read: names or numbers of the given classes; else names, if most labels are, or numbers.

        The rarer kind is refused row by row, so that one wrong label affects only its row.
        """
        if class_names:
            return cls(
                class_names=class_names,
                classes={name: i for i, name in enumerate(class_names)} | {i: i for i in range(len(class_names))},
                rule=f"one of the {len(class_names)} class names, or its number from 0 to {len(class_names) - 1}",
                remedy=f"correct it or the list of names, {_OR_EMPTY}",
            )
        labels = [label for cell in cells if not _is_empty(cell) and (label := _label(cell)) is not None]
        names = [label for label in labels if isinstance(label, str)]
        if 2 * len(names) > len(labels):
            sorted_names = tuple(sorted(set(names)))
            return cls(
                class_names=sorted_names,
                classes={name: i for i, name in enumerate(sorted_names[:MOST_CLASSES])},
                rule=f"the name of one of at most {MOST_CLASSES} classes, since most labels are names",
                remedy=f"name the class, {_OR_EMPTY}",
            )
        highest = max((label for label in labels if isinstance(label, int) and label < MOST_CLASSES), default=-1)
        return cls(
            class_names=tuple(map(str, range(highest + 1))),
            classes={number: number for number in range(highest + 1)},
            rule=f"a whole number, 0 to {MOST_CLASSES - 1}",
            remedy=f"number the classes from 0, or name all of them, {_OR_EMPTY}",
        )

    def named_by(self, rows: Iterable[tuple[int, object, object]], *, file: Path) -> Labels:
        """The same with the names that ``rows`` (line, label, name of its class) give to numbers.

        Raises DataError if a class has two names, or two classes have one.
        """
        names: dict[int, str] = {}
        lines: dict[str, int] = {}
        for line, cell, named in rows:
            name = "" if named is None else str(named).strip()
            label = None if _is_empty(cell) else _label(cell)
            if not name or not isinstance(label, int) or label not in self.classes:
                continue
            if names.setdefault(label, name) != name:
                raise _conflict(file, line, f"one name for the class {label}, {names[label]} as above", name)
            lines.setdefault(name, line)
        class_names = tuple(names.get(label, number) for label, number in enumerate(self.class_names))
        for label, name in enumerate(class_names):
            if (first := class_names.index(name)) < label:
                rule = f"a name of its own for each of the classes {first} and {label}"
                raise _conflict(file, lines[name], rule, name)
        return replace(self, class_names=class_names)

    def class_of(self, cell: object, *, file: Path, line: int | None) -> int | None:
        """The class of a cell's label, or None for no label. Raises DataError if it is not one of the classes."""
        if _is_empty(cell):
            return None
        label = _label(cell)
        if label is None or label not in self.classes:
            value = cell if label is None else label
            raise DataError(
                Problem(file=file, line=line, field="label", rule=self.rule, value=value, remedy=self.remedy)
            )
        return self.classes[label]


def _conflict(file: Path, line: int, rule: str, value: str) -> DataError:
    remedy = "correct the column, or give it another name"
    return DataError(Problem(file=file, line=line, field="class_name", rule=rule, value=value, remedy=remedy))


def _is_empty(cell: object) -> bool:
    if isinstance(cell, str):
        return cell.strip().lower() in _NO_LABEL
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _label(cell: object) -> int | str | None:
    """A whole number, or a name; None for anything else, such as 3.5 and true."""
    if not isinstance(cell, str):
        return whole_number(cell)
    text = cell.strip()
    number = whole_number_of_text(text)
    return number if number is not None or _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
