from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hico_platform import home_marker
from hico_platform.home_marker import (
    LARGEST,
    MARKER,
    HomeRecord,
    find_record,
    generated_in,
    is_content,
    read_record,
    write_record,
)

DIGEST = "0123456789abcdef"


def database(file: Path, table: str, *keys: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"CREATE TABLE {table} (key TEXT)")
        connection.executemany(f"INSERT INTO {table} VALUES (?)", [(key,) for key in keys])


def study(home: Path) -> None:
    database(home / "study.db", "study_user_attributes", "search")


def mlflow(home: Path) -> None:
    database(home / "mlflow.db", "tags", "mlflow.runName", "hico.key")


def run_folder(home: Path, name: str) -> None:
    checkpoint = home / "runs" / name / "epoch-000001"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").touch()


@pytest.mark.parametrize(
    "record",
    [
        HomeRecord(shared=True, whole=False, left=frozenset({"study.db", "data"})),
        HomeRecord(shared=False, whole=True),
    ],
)
def test_a_marker_is_read_as_it_was_written(tmp_path: Path, record: HomeRecord) -> None:
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert json.loads((tmp_path / MARKER).read_text()) == {
        "shared": record.shared,
        "whole": record.whole,
        "left": sorted(record.left),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 5000,
        '{"shared": true, "whole": true}',
        '{"shared": true, "left": []}',
        '{"shared": true, "whole": true, "left": 3}',
        '{"shared": true, "whole": true, "left": ["' + "x" * LARGEST + '"]}',
    ],
)
def test_a_marker_that_says_too_little_or_too_much_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / MARKER).write_text(text)
    assert read_record(tmp_path) is None


def test_only_true_is_true(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text('{"shared": "yes", "whole": 1, "left": []}')
    assert read_record(tmp_path) == HomeRecord(shared=False, whole=False)


def test_a_marker_of_another_account_a_link_or_a_pipe_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(tmp_path, HomeRecord(shared=True, whole=True))
    for name, make in (
        ("linked", lambda file: file.symlink_to(tmp_path / MARKER)),
        ("pipe", os.mkfifo),
        ("none", lambda file: None),
    ):
        (tmp_path / name).mkdir()
        make(tmp_path / name / MARKER)
        assert read_record(tmp_path / name) is None
    seen = os.fstat

    def of_another(descriptor: int) -> os.stat_result:
        fields = list(seen(descriptor))
        fields[4] = 54321
        return os.stat_result(fields)

    monkeypatch.setattr(home_marker.os, "fstat", of_another)
    assert read_record(tmp_path) is None


@pytest.mark.parametrize(
    "name",
    [
        MARKER, "study.db", "study.db-wal", "study.db-shm", "study.db-journal", "study.db.toy.lock", "mlflow.db",
        "mlflow.db-wal", "mlartifacts", "searches", "runs", "data", "cache",
    ],
)  # fmt: skip
def test_names_that_commands_use(name: str) -> None:
    assert is_content(name)


@pytest.mark.parametrize("name", ["study.db.bak", "study.dbx", "my-study.db", "code", "Data", "data2", ".hico-home2"])
def test_names_of_a_user(name: str) -> None:
    assert not is_content(name)


def test_what_was_there_before_the_home_is_the_users() -> None:
    record = HomeRecord(shared=True, whole=False, left=frozenset({"study.db", "mlartifacts"}))
    assert not any(map(record.is_kept, ("study.db", "study.db-wal", "study.db.toy.lock", "mlartifacts")))
    assert all(map(record.is_kept, ("mlflow.db", "mlflow.db-wal", "searches", MARKER)))
    assert not any(map(record.is_kept, ("data", "runs", "cache", "code"))), "these hold files of a user too"


def test_commands_know_their_own_folders_among_those_of_a_user(tmp_path: Path) -> None:
    for name in ("embedded-0", "transfer-12", "tiny-3"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for name in (DIGEST, f".partial-{DIGEST}", f"{DIGEST}.lock", DIGEST * 4):
        (tmp_path / "cache" / name).mkdir(parents=True)
    run_folder(tmp_path, "small-01234567")
    assert {folder: generated_in(tmp_path, folder)[1] for folder in ("data", "runs", "cache")} == dict.fromkeys(
        ("data", "runs", "cache"), True
    )
    assert sorted(generated_in(tmp_path, "data")[0]) == ["embedded-0", "tiny-3", "transfer-12"]
    for folder, name in (("data", "embedded-x"), ("cache", DIGEST[:-1]), ("runs", "backup-20240101")):
        before = sorted(generated_in(tmp_path, folder)[0])
        (tmp_path / folder / name).mkdir()
        found, is_all = generated_in(tmp_path, folder)
        assert (sorted(found), is_all) == (before, False)


def test_folders_behind_links_and_other_folders_hold_nothing_of_commands(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "embedded-0").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "cache").touch()
    for folder in ("data", "cache", "runs", "elsewhere"):
        assert generated_in(tmp_path, folder) == ([], False)


def test_a_folder_without_records_of_commands_is_a_users_and_so_is_all_in_it(tmp_path: Path) -> None:
    database(tmp_path / "study.db", "study_user_attributes", "theirs")
    database(tmp_path / "mlflow.db", "tags", "mlflow.runName")
    for name in ("data", "mlartifacts", "code"):
        (tmp_path / name).mkdir()
    assert find_record(tmp_path, shared=True) == HomeRecord(
        shared=False, whole=False, left=frozenset({"study.db", "mlflow.db", "data", "mlartifacts"})
    )


@pytest.mark.parametrize("shared", [False, True])
def test_a_folder_whose_databases_are_of_commands_is_a_home(tmp_path: Path, shared: bool) -> None:
    study(tmp_path)
    mlflow(tmp_path)
    (tmp_path / "searches").mkdir()
    (tmp_path / "mlartifacts").mkdir()
    (tmp_path / "data" / "embedded-0").mkdir(parents=True)
    assert find_record(tmp_path, shared=shared) == HomeRecord(shared=shared, whole=True)
    (tmp_path / "data" / "mine").mkdir()
    assert find_record(tmp_path, shared=shared) == HomeRecord(shared=shared, whole=False)


def test_the_database_of_another_program_beside_that_of_commands_is_left(tmp_path: Path) -> None:
    study(tmp_path)
    assert find_record(tmp_path, shared=True) == HomeRecord(shared=True, whole=True)
    database(tmp_path / "mlflow.db", "tags", "mlflow.runName")
    (tmp_path / "mlartifacts").mkdir()
    assert find_record(tmp_path, shared=True) == HomeRecord(
        shared=True, whole=False, left=frozenset({"mlflow.db", "mlartifacts"})
    )


def test_a_database_that_cannot_be_read_is_none_of_commands(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("no database at all, but long enough to be read as one" * 9)
    (tmp_path / "mlflow.db").touch()
    assert find_record(tmp_path, shared=True).left == {"study.db", "mlflow.db"}
