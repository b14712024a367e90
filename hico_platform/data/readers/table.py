"""A folder of CSV or JSON files, one a recording, as a map of their columns describes them (``--map``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hico_platform.data.layout import Layout
from hico_platform.data.readers._base import MOST_CLASSES, Item, ReadOptions, ReadPlan, clean
from hico_platform.data.sequence import MissingJoint, Sequence, Unit
from hico_platform.data.table_file import files_of, read_table
from hico_platform.data.table_map import AMCFile, BVHFile, TableMap
from hico_platform.data.whole_number import whole_number_of_text
from hico_platform.errors import DataError, Problem, UsageError


@dataclass(frozen=True, kw_only=True)
class TableReader:
    """Such a folder; folders inside it are searched too."""

    dataset: str
    layout: Layout
    class_names: tuple[str, ...]
    folder: Path
    only: Path | None
    """One file, if not the whole folder."""
    table: TableMap
    labels: Mapping[str, int]
    """The label of each text that the group ``label`` of the map holds."""
    unit: Unit
    missing_joint: MissingJoint
    """As the map says; what is read has NaN there."""
    coordinates: int = 3
    normalised: bool = False
    protocols: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> ReadPlan:
        """One item a file, by its path; a file whose path does not say what the map reads from it is a problem."""
        items: list[Item] = []
        problems: list[Problem] = []
        for file, said in _recordings(self.folder, self.table, self.only):
            if said is None:
                problems.append(
                    Problem(file=file, rule=f"a path that matches {self.table.name}",
                            value=file.relative_to(self.folder).as_posix(),
                            remedy="rename it, or correct name of the map")
                )  # fmt: skip
            elif said.get("label") is not None and said["label"] not in self.labels:
                problems.append(
                    Problem(file=file, field="label", rule="a label that classes of the map name", value=said["label"],
                            remedy="add its name to the map")
                )  # fmt: skip
            else:
                items.append(Item(file=file, value=said, reads=files_of(file, self.table)))
        if not items and not problems:
            raise DataError(
                Problem(file=self.only or self.folder, rule=f"a folder with files {self.table.files}",
                        remedy="give the folder of the recordings, or correct files of the map")
            )  # fmt: skip
        return ReadPlan(items=items, problems=problems)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The one recording of a file."""
        said = dict(item.value)
        label, name = said.pop("label", None), said.pop("name", None)
        recorded, remarks = read_table(item.file, self.table, self.layout, unit=self.unit)
        pose = clean(recorded, file=item.file, line=None, missing=MissingJoint.NAN)
        yield Sequence(
            name=name or item.file.relative_to(self.folder).with_suffix("").as_posix(),
            label=None if label is None else self.labels[label],
            pose=pose,
            metadata={key: value if number is None else number for key, value in said.items()
                      for number in [whole_number_of_text(value or "")]},
            remarks=remarks,
        )  # fmt: skip


def open_source(raw: Path, options: ReadOptions) -> TableReader:
    """The folder, or the one file, at ``raw``.

    Raises UsageError without a map, DataError if the names of the files say too many labels.
    """
    if options.map is None:
        raise UsageError(
            Problem(field="map", rule="a map of the columns beside --format table", remedy="give it by --map NAME|FILE")
        )
    table, folder = options.map, raw if raw.is_dir() else raw.parent
    only = None if raw.is_dir() else raw
    found = {label for _, said in _recordings(folder, table, only) if said and (label := said.get("label")) is not None}
    classes = dict(table.classes) or {label: label for label in sorted(found, key=_label_order)}
    if len(classes) > MOST_CLASSES:
        raise DataError(
            Problem(field="map.name", rule=f"at most {MOST_CLASSES} labels in the names of the files",
                    value=len(classes), remedy="correct its group label")
        )  # fmt: skip
    return TableReader(
        dataset=raw.absolute().stem,
        layout=options.layout,
        class_names=tuple(classes.values()),
        folder=folder,
        only=only,
        table=table,
        labels={label: i for i, label in enumerate(classes)},
        unit=options.unit or table.unit,
        missing_joint=table.missing,
    )


def _recordings(
    folder: Path, table: TableMap, only: Path | None
) -> Iterator[tuple[Path, dict[str, str | None] | None]]:
    """The files in order, and what the path of each says; None if it does not match."""
    expression = re.compile(table.name) if table.name is not None else None
    for file in [only] if only is not None else sorted(folder.rglob(table.files)):
        if not file.is_file():
            continue
        if expression is None:
            yield file, {}
            continue
        match = expression.search(file.relative_to(folder).as_posix())
        yield file, match.groupdict() if match else None


def _label_order(label: str) -> tuple[bool, int, str]:
    number = whole_number_of_text(label)
    return number is None, number or 0, label


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does; a table is one only beside its map."""
    if options.map is None or isinstance(options.map.content, BVHFile | AMCFile):
        return None
    found = raw if raw.is_file() and raw.match(options.map.files) else next(raw.rglob(options.map.files), None)
    return None if found is None else f"{found.name}, which the map reads"
