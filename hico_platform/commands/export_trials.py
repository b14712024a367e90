"""Writes the trials of a search, or their curves, as a table that other programs read: CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from hico_platform.atomic_io import sync, write_synced
from hico_platform.errors import Problem, UsageError
from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.state import trial_status
from hico_platform.search.status import SearchStatus

Row = Mapping[str, Any]
_BEGIN_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NOT_UNICODE = "backslashreplace"  # a path that is not in UTF-8 is written with escapes


class TableFormat(StrEnum):
    """The form of a table."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def trial_rows(status: SearchStatus) -> list[Row]:
    """A row for each trial, in order; every row has the same columns.

    Parameters have their dotted names, validation scores at the last report ``validation.NAME`` and
    ``validation.NAME_standard_error``, downstream scores ``downstream.NAME``. Times are Unix times and seconds.
    """
    rows = [
        {
            "search": status.search.name,
            "trial": trial.number,
            "state": str(trial_status(trial, has_driver=status.driver is not None)),
            "origin": str(trial.origin),
            "epoch": trial.epoch,
            "value": trial.value,
            "standard_error": trial.standard_error,
            "is_best": status.best is not None and status.best.number == trial.number,
            **dict(trial.values),
            **(_scores(trial.reports[-1].metrics, trial.reports[-1].standard_errors) if trial.reports else {}),
            **({} if trial.ending is None else _named("downstream", trial.ending.metrics)),
            "began_at_s": trial.began_at_s,
            "ended_at_s": None if trial.ending is None else trial.ending.at_s,
            "trial_seconds": status.busy_s(trial),
            "machine": trial.machine,
            "checkpoint": None if trial.ending is None else trial.ending.checkpoint,
            "run_id": trial.run_id,
            "reason": None if trial.ending is None else trial.ending.reason,
        }
        for trial in status.trials
    ]
    return _same_columns(rows)


def curve_rows(status: SearchStatus) -> list[Row]:
    """A row for each report of each trial: validation scores and the answer.

    Losses are those of the report's own epoch, ``loss.NAME``.
    """
    return _same_columns(
        [
            {
                "search": status.search.name,
                "trial": trial.number,
                "epoch": report.epoch,
                "value": report.value,
                "standard_error": report.standard_error,
                "decision": str(report.decision),
                **_scores(report.metrics, report.standard_errors),
                **_named("loss", _losses(trial, report.epoch)),
                "at_s": report.at_s,
                "machine": report.machine,
            }
            for trial in status.trials
            for report in trial.reports
        ]
    )


def write_table(rows: Sequence[Row], file: Path, *, form: TableFormat, overwrite: bool) -> None:
    """Writes a table: the file appears whole, or stays as it was.

    Raises:
        UsageError: the file exists and is not to be overwritten.
    """
    check_unused(file, overwrite=overwrite)
    content = _WRITERS[form](rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        write_synced(temporary, content)
        if overwrite:
            temporary.replace(file)
        else:
            _take_name(temporary, file)
        sync(file.parent)
    finally:
        temporary.unlink(missing_ok=True)


def check_unused(file: Path, *, overwrite: bool) -> None:
    """Whether a table may be written there.

    Raises:
        UsageError: there is such a file already, or a folder.
    """
    if file.is_dir():
        raise UsageError(Problem(file=file, rule="a file", value="a folder", remedy="add a file's name"))
    if not overwrite and os.path.lexists(file):
        raise UsageError(
            Problem(file=file, rule="a file that does not exist yet", remedy="give another, or --force to replace it")
        )


def _take_name(temporary: Path, file: Path) -> None:
    """Gives a file its name, unless another process took it meanwhile."""
    try:
        os.link(temporary, file)
    except FileExistsError:
        check_unused(file, overwrite=False)
    except OSError:  # a file system without hard links
        check_unused(file, overwrite=False)
        temporary.rename(file)


def _named(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in values.items()}


def _scores(metrics: Mapping[str, float], errors: Mapping[str, float]) -> dict[str, float]:
    return _named("validation", metrics) | {f"validation.{name}_standard_error": at for name, at in errors.items()}


def _losses(trial: TrialRecord, epoch: int) -> Mapping[str, float]:
    return next((losses for report in trial.reports for at, losses in report.history if at == epoch), {})


def _same_columns(rows: Sequence[Row]) -> list[Row]:
    """Rows with every column that any has, in groups: those of one beginning stay together."""
    columns: list[str] = []
    for row in rows:
        last = -1
        for name in row:
            if name in columns:
                last = columns.index(name)
            else:
                columns.insert(last + 1, name)
                last += 1
    return [{name: row.get(name) for name in columns} for row in rows]


def _as_csv(rows: Sequence[Row]) -> bytes:
    """Numbers with all their digits, so that they are read back as they are; nothing where there is no value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if rows:
        writer.writerow([csv_text(name) for name in rows[0]])
    for row in rows:
        writer.writerow(["" if value is None else _plain_csv(value) for value in row.values()])
    return text.getvalue().encode(errors=_NOT_UNICODE)


def _plain_csv(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return csv_text(value)
    return repr(value) if isinstance(value, float) else value


def csv_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe before what would begin one, as OWASP advises."""
    return f"'{text}" if text.startswith(_BEGIN_FORMULAS) else text


def _as_json(rows: Sequence[Row]) -> bytes:
    """A list of objects; what is not a number is null, as JSON has no other word for it."""
    plain = [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in rows
    ]
    return (json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(errors=_NOT_UNICODE)


def _as_parquet(rows: Sequence[Row]) -> bytes:
    """Each column in the narrowest type that holds all its values: boolean, int64, float64, else text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(rows[0]) if rows else ["search", "trial"]
    columns = {name: [row[name] for row in rows] for name in names}
    arrays = {name: pa.array(*_typed(values, pa)) for name, values in columns.items()}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _typed(values: Sequence[Any], pa: Any) -> tuple[list[Any], Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} and kinds:
        return list(values), pa.bool_()
    if kinds <= {int} and kinds and all(value is None or abs(value) < 2**63 for value in values):
        return list(values), pa.int64()
    if kinds <= {int, float} and kinds:
        return [None if value is None else float(value) for value in values], pa.float64()
    texts = [None if value is None else str(value).encode(errors=_NOT_UNICODE).decode() for value in values]
    return texts, pa.string()


_WRITERS: Mapping[TableFormat, Callable[[Sequence[Row]], bytes]] = {
    TableFormat.CSV: _as_csv,
    TableFormat.JSON: _as_json,
    TableFormat.PARQUET: _as_parquet,
}
