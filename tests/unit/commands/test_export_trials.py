"""Tables of trials: what is written is read back as it was, whole, and nothing is written over."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hico_platform.commands.export_trials import TableFormat, curve_rows, trial_rows, write_table
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.status import search_status


@pytest.fixture
def rows(home: Path) -> list:
    return trial_rows(search_status(HomePaths(home=home), "toy"))


def test_a_row_for_each_trial_with_all_columns(rows: list) -> None:
    assert [row["trial"] for row in rows] == [0, 1, 2, 3, 4]
    assert len({tuple(row) for row in rows}) == 1
    assert sum(row["is_best"] for row in rows) == 1
    assert rows[4]["reason"] == "ValueError: no"
    best = next(row for row in rows if row["is_best"])
    assert best["validation.knn_top1"] == best["value"]
    assert best["downstream.recognition_top1"] > 0
    assert {"contrast.temperature", "model.encoder"} < set(best)


def test_csv_gives_back_every_digit(rows: list, tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    write_table(rows, file, form=TableFormat.CSV, overwrite=False)
    with file.open(newline="") as stream:
        read = list(csv.DictReader(stream))
    for row, text in zip(rows, read, strict=True):
        for name, value in row.items():
            if isinstance(value, float):
                assert float(text[name]) == value
            elif value is None:
                assert text[name] == ""
    assert read[0]["is_best"] in ("true", "false")


def test_parquet_has_types(rows: list, tmp_path: Path) -> None:
    file = tmp_path / "trials.parquet"
    write_table(rows, file, form=TableFormat.PARQUET, overwrite=False)
    table = pq.read_table(file)
    assert table.schema.field("trial").type == pa.int64()
    assert table.schema.field("contrast.temperature").type == pa.float64()
    assert table.schema.field("is_best").type == pa.bool_()
    assert table.schema.field("model.encoder").type == pa.string()
    assert table.to_pylist() == [dict(row) for row in rows]


def test_json_has_null_for_what_is_no_number(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    write_table([{"a": math.nan, "b": 0.1}], file, form=TableFormat.JSON, overwrite=False)
    assert json.loads(file.read_text()) == [{"a": None, "b": 0.1}]


def test_a_row_for_each_report(home: Path) -> None:
    status = search_status(HomePaths(home=home), "toy")
    rows = curve_rows(status)
    assert len(rows) == sum(len(trial.reports) for trial in status.trials)
    assert {row["decision"] for row in rows} == {"continue", "stop"}
    assert all(row["loss.loss"] == 5.0 / row["epoch"] for row in rows)


def test_nothing_is_written_over_without_force(rows: list, tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    file.write_text("mine")
    with pytest.raises(UsageError, match="expected a file that does not exist yet; give another, or --force"):
        write_table(rows, file, form=TableFormat.CSV, overwrite=False)
    assert file.read_text() == "mine"
    write_table(rows, file, form=TableFormat.CSV, overwrite=True)
    assert file.read_text().startswith("search,trial,")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".trials")] == []


def test_a_table_of_nothing(tmp_path: Path) -> None:
    for form in TableFormat:
        write_table([], tmp_path / f"none.{form}", form=form, overwrite=False)
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0


ODD = [
    "a\rb\nc",
    'quote " and, comma',
    "\x00\x1b[2J",
    "\u202ertl",
    "/home/\udcff/trial",  # a path that is not in UTF-8
    "=1+1",
    "@SUM(A1)",
    "-2+3",
    "\t=1",
    "\uff1d1",
    "x" * 100_000,
    "<b>&amp;</b> | md",
]


@pytest.mark.parametrize("form", list(TableFormat))
@pytest.mark.parametrize("text", ODD)
def test_any_text_is_written_and_shifts_no_other_value(form: TableFormat, text: str, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    write_table([{"search": text, "trial": 1}, {"search": "toy", "trial": 2}], file, form=form, overwrite=False)
    if form is TableFormat.CSV:
        with file.open(newline="", encoding="utf-8") as stream:
            read = list(csv.DictReader(stream))
        assert [row["trial"] for row in read] == ["1", "2"]
    elif form is TableFormat.JSON:
        read = json.loads(file.read_text())
    else:
        read = pq.read_table(file).to_pylist()
    assert len(read) == 2
    has_escapes = form is TableFormat.JSON  # of its own, which are read back
    if form is TableFormat.CSV and text[0] in "=@-\t\uff1d":
        text = f"'{text}"
    assert read[0]["search"] == (text if has_escapes else text.replace("\udcff", r"\udcff"))
    assert read[1]["search"] == "toy"


def test_parquet_takes_whole_numbers_of_any_size(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    write_table([{"a": 2**70, "b": 1}, {"a": 1, "b": 0.5}], file, form=TableFormat.PARQUET, overwrite=False)
    assert pq.read_table(file).to_pylist() == [{"a": float(2**70), "b": 1.0}, {"a": 1.0, "b": 0.5}]


def test_headings_are_texts_and_negative_numbers_are_not(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    write_table([{"=cmd": -0.5, "a": -3, "b": float("-inf")}], file, form=TableFormat.CSV, overwrite=False)
    assert file.read_text() == "'=cmd,a,b\n-0.5,-3,-inf\n"
