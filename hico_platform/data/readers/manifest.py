"""Any data: a manifest, CSV or Parquet, of .npy arrays, or of files that a map describes.

Columns ``path`` and, where labels are known, ``label``: numbers or names of classes, whose cells may be empty. A column
``class_name`` names the classes of numbers. All further columns (subject, camera, setup, split, name and others) are
kept as metadata. Each path is a float array (T, J, 3) or (T, M, J, 3), NaN where a joint is missing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Items
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hico_platform.data.file_kind import file_kind
from hico_platform.data.layout import Layout
from hico_platform.data.npy import map_array
from hico_platform.data.readers._base import Item, ReadOptions, ReadPlan, check_axes, clean
from hico_platform.data.readers.image_pose import image_pose
from hico_platform.data.readers.labels import Labels
from hico_platform.data.readers.windows import cut, cut_name
from hico_platform.data.sequence import MissingJoint, Sequence, Unit
from hico_platform.data.table_file import files_of, read_table
from hico_platform.data.table_map import TableMap
from hico_platform.errors import DataError, Problem

_FILE_NAMES = ("manifest.csv", "manifest.parquet")
_MOST_BYTES = 256 * 2**20  # of an unpacked manifest: about three million rows
_ROWS_A_BATCH = 1024
_BROKEN_PARQUET = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError)
_TABLES = (".csv", ".json", ".bvh", ".amc")
_LIKE_LABEL = ("label", "labels", "class", "class_name", "action", "activity", "target")
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest; its recordings are read later, one by one."""

    dataset: str
    layout: Layout
    labels: Labels
    folder: Path
    file: Path
    coordinates: int = 3
    """2: poses in an image, where a third coordinate is a score."""
    unit: Unit | None = None
    table: TableMap | None = None
    """How to read recordings that are no arrays."""
    normalised: bool = False
    missing_joint: MissingJoint = MissingJoint.NAN
    protocols: Mapping[str, Any] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.labels.class_names

    def plan(self) -> ReadPlan:
        """One item a row; rows that break a rule become problems with their line."""
        rows, problems = _read_rows(self.file)
        items = []
        for line, row in rows:
            try:
                items.append(_item(self.file, line, row, self.labels, self.table))
            except DataError as error:
                problems.extend(error.problems)
        files = [self.folder / item.value[0] for item in items]
        if self.table is None and files and all(file.suffix.lower() in _TABLES for file in files):
            raise DataError(
                Problem(
                    file=self.file,
                    rule="a manifest of .npy arrays, where no map says how to read other files",
                    value=f"{len(files)} files such as {files[0].name}",
                    remedy="give --map: mediapipe or another one that ships, or a YAML file of your own",
                )
            )
        return ReadPlan(items=items, problems=problems)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The one recording of a row."""
        path, name, label, metadata = item.value
        file = self.folder / path
        _check_exists(file, manifest=self.file, line=item.line)
        remarks: Mapping[str, int] = {}
        if self.table is None or file.suffix == ".npy":
            array = _load_array(file)
            scored = self.coordinates == 2 and array.shape[-1:] == (3,)
            check_axes(array.shape, layout=self.layout, coordinates=3 if scored else self.coordinates, file=file)
            pose, unit = array if array.ndim == 4 else array[:, None], self.unit or Unit.M  # (T, M, J, C)
        else:
            (pose, remarks), unit = read_table(file, self.table, self.layout, unit=self.unit), Unit.M
        pose, metadata = cut(pose, metadata, video=path, file=self.file, line=item.line)
        if self.coordinates == 2:
            pose, confidence = image_pose(pose, None, file=file, line=None, missing=self.missing_joint)
            metadata = {**metadata, **confidence}
        else:
            pose = clean(pose, file=file, line=None, missing=self.missing_joint, unit=unit)
        yield Sequence(name=name, label=label, pose=pose, metadata=metadata, remarks=remarks)


def open_source(raw: Path, options: ReadOptions) -> Manifest:
    """The manifest at ``raw``, a file or a folder with ``manifest.csv`` or ``manifest.parquet``.

    Raises DataError if there is none, it cannot be read, or it lacks a column.
    """
    file = raw
    if raw.is_dir():
        found = [raw / name for name in _FILE_NAMES if (raw / name).is_file()]
        file = found[0] if found else raw / _FILE_NAMES[0]
    if not file.is_file():
        raise DataError(
            Problem(file=file, rule="a manifest",
                    remedy=f"give the folder of {' or '.join(_FILE_NAMES)}, or the file itself")
        )  # fmt: skip
    rows = _read_rows(file)[0]
    labels = Labels.of((row.get("label") for _, row in rows if row["path"]), class_names=options.class_names)
    if not options.class_names:
        labels = labels.named_by(((line, row.get("label"), row.get("class_name")) for line, row in rows), file=file)
    return Manifest(
        dataset=file.absolute().parent.name,
        layout=options.layout,
        labels=labels,
        unit=options.unit,
        table=options.map,
        coordinates=options.coordinates or 3,
        folder=file.parent,
        file=file,
    )


def _item(file: Path, line: int, row: Row, labels: Labels, table: TableMap | None) -> Item:
    path, label, _ = row.pop("path"), row.pop("label", None), row.pop("class_name", None)
    if not isinstance(path, str) or not path:
        raise DataError(
            Problem(file=file, line=line, field="path", rule="the path of an .npy array", value=path,
                    remedy="correct or leave out this row")
        )  # fmt: skip
    number = labels.class_of(label, file=file, line=line)
    if "\\" in path and not (file.parent / path).is_file():  # written on Windows
        path = path.replace("\\", "/")
    name = row.pop("name", None)
    name = str(name) if name is not None else cut_name(path.removesuffix(".npy"), row)
    return Item(file=file, line=line, value=(path, name, number, row), reads=files_of(file.parent / path, table))


def _read_rows(file: Path) -> tuple[list[tuple[int, Row]], list[Problem]]:
    size = file.stat().st_size
    if size > _MOST_BYTES:
        raise _unusable(file, f"a manifest of at most {_MOST_BYTES} bytes", size)
    columns, rows, problems = _read_parquet(file) if file.suffix == ".parquet" else _read_csv(file)
    if "path" not in columns:
        mark = next((mark for mark in (";", "\t") if len(columns) == 1 and mark in columns[0]), None)
        remedy = "name the columns in the first line: path,label,..."
        raise DataError(
            Problem(file=file, line=1, field="path", rule="a column of this name", value=columns or "an empty line",
                    remedy=remedy if mark is None else f"put commas between the columns, not {mark!r}")
        )  # fmt: skip
    alike = [name for name in columns if name.strip().lower() in _LIKE_LABEL]
    if "label" not in columns and alike:
        raise DataError(
            Problem(file=file, line=1, field="label", rule="a column of this name, or none that looks like it",
                    value=alike[0], remedy="name it label; if nothing is labelled, add an empty column label")
        )  # fmt: skip
    if not rows and not problems:
        raise DataError(
            Problem(file=file, rule="at least one row below the names of the columns", value=0,
                    remedy="add a row for each recording")
        )  # fmt: skip
    return rows, problems


def _read_parquet(file: Path) -> tuple[list[str], list[tuple[int, Row]], list[Problem]]:
    rows: list[Row] = []
    try:
        names = pq.read_schema(file).names
        for batch in _unpacked(file):
            rows.extend(batch.to_pylist())
    except _BROKEN_PARQUET as error:
        raise _unusable(file, "a Parquet file", str(error)) from None
    if len(set(names)) < len(names):
        raise _unusable(file, "a manifest that names each column once", names)
    for name in names:
        for line, row in enumerate(rows, start=1):
            value = row[name]
            if not isinstance(value, int | float | str | None) or (isinstance(value, int) and abs(value) >= 2**63):
                raise DataError(
                    Problem(file=file, line=line, field=name, rule="a number of 64 bits, or text",
                            value=str(value)[:60],
                            remedy="leave the column out, or write it as text")
                )  # fmt: skip
            if isinstance(value, bool) and name != "label":
                row[name] = int(value)
    return names, list(enumerate(rows, start=1)), []


def _unpacked(file: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file in batches. Raises DataError if it unpacks to too many bytes.

    Text is read as dictionary arrays, in which a long cell that occurs a million times is stored once.
    """
    schema, unpacked_bytes = pq.read_schema(file), 0
    texts = [column.name for column in schema if pa.types.is_string(column.type)]
    with pq.ParquetFile(file, read_dictionary=texts) as packed:
        for batch in packed.iter_batches(_ROWS_A_BATCH):
            for column in batch.columns:
                if pa.types.is_dictionary(column.type):
                    longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
                    if longest > csv.field_size_limit():
                        raise _unusable(file, f"a cell of at most {csv.field_size_limit()} bytes", longest)
                    column = column.dictionary_decode()  # noqa: PLW2901
                unpacked_bytes += column.nbytes
            if unpacked_bytes > _MOST_BYTES:
                raise _unusable(file, f"a manifest of at most {_MOST_BYTES} bytes, unpacked", unpacked_bytes)
            yield batch


def _read_csv(file: Path) -> tuple[list[str], list[tuple[int, Row]], list[Problem]]:
    problems, lines, cells = [], [], []
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True, skipinitialspace=True)
            columns = [name.strip() for name in next(reader, [])]
            for row in reader:
                if not row:
                    continue
                if len(row) == len(columns):
                    lines.append(reader.line_num)
                    cells.append(row)
                else:
                    problems.append(
                        Problem(file=file, line=reader.line_num, rule=f"a row of {len(columns)} fields",
                                value=len(row), remedy="correct the row; quote a field that holds a comma")
                    )  # fmt: skip
    except (csv.Error, UnicodeDecodeError) as error:
        kind = file_kind(file)
        if kind is not None and "text file" not in kind.name:
            raise DataError(
                Problem(file=file, rule="a CSV file", value=kind.name, remedy=kind.remedy or "name it as what it is")
            ) from None
        raise _unusable(file, "a CSV file", str(error)) from None
    if len(set(columns)) < len(columns):
        raise _unusable(file, "a manifest that names each column once", columns)
    typed = [_typed(name, [row[i] for row in cells]) for i, name in enumerate(columns)]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*typed, strict=True)]
    return columns, list(zip(lines, rows, strict=True)), problems


def _typed(name: str, cells: Items[str]) -> list[Any]:
    """A column's cells as whole numbers, else numbers, else text; an empty cell is None.

    Paths, names and labels stay text.
    """
    if name in ("path", "name", "label", "class_name"):
        return list(cells)
    filled = [cell for cell in cells if cell != ""]
    kind: type = str
    if all(map(_is_int, filled)):
        kind = int
    elif all(map(_is_float, filled)):
        kind = float
    return [kind(cell) if cell != "" else None for cell in cells]


def _is_int(cell: str) -> bool:
    digits = cell.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19


def _is_float(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _check_exists(path: Path, *, manifest: Path, line: int | None) -> None:
    if not path.is_file():
        raise DataError(
            Problem(file=manifest, line=line, field="path", rule="the path of a file that exists", value=str(path),
                    remedy="give paths relative to the manifest")
        )  # fmt: skip


def _load_array(path: Path) -> Any:
    array = map_array(path)
    if array.dtype.kind != "f":
        raise DataError(
            Problem(file=path, rule="an array of floats", value=str(array.dtype), remedy="save floats, in metres")
        )
    return array


def _unusable(file: Path, rule: str, value: object) -> DataError:
    return DataError(Problem(file=file, rule=rule, value=value, remedy="make the file again"))


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does."""
    if raw.is_file():
        kind = file_kind(raw)
        listed = kind is not None and "path" in kind.name and raw.suffix == ".csv"
        return raw.name if listed or raw.suffix == ".parquet" else None
    return next((name for name in _FILE_NAMES if (raw / name).is_file()), None)
