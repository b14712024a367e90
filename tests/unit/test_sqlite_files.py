from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from hico_platform import sqlite_files
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths, mlflow_uri
from hico_platform.home_access import prepare_home
from hico_platform.sqlite_files import (
    check_database,
    is_memory,
    is_read_only,
    prepare_database,
    sqlite_file,
    sqlite_url,
    url_for_looking,
    without_new_folder,
)

ODD = ["q?x", "100%", "%41", "a#b", "my home", "é😀", "o'b\"", "{a}", ":memory:", "a&mode=ro", "a;b", "x=y"]


def rows(url: str) -> int:
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        count: int = connection.exec_driver_sql("SELECT count(*) FROM t").scalar()
    engine.dispose()
    return count


def fill(file: Path, *, mode: str = "WAL") -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()


def journal(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        mode: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return mode


@pytest.mark.parametrize("name", ODD)
def test_a_folder_of_any_name_holds_its_databases(name: str, tmp_path: Path) -> None:
    home = tmp_path / name
    home.mkdir()
    for file, url in (
        (home / "study.db", HomePaths(home=home).storage_url),
        (home / "mlflow.db", mlflow_uri(home)),
    ):
        fill(file)
        assert rows(url) == 1
        assert sqlite_file(url) == file
    assert {entry.name for entry in tmp_path.iterdir()} == {name}


def test_a_plain_path_keeps_the_address_that_it_had() -> None:
    assert sqlite_url(Path("/home/me/study.db")) == "sqlite:////home/me/study.db"


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:////a/b.db", Path("/a/b.db")),
        ("sqlite:///b.db", Path("b.db")),
        ("sqlite+pysqlite:////a/b.db?timeout=3", Path("/a/b.db")),
        ("sqlite:////a/%2541.db", Path("/a/%41.db")),
        ("sqlite:///file:/a/b.db?mode=ro&uri=true", Path("/a/b.db")),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite+nothing://host/db", None),
        ("postgresql+psycopg://me:pa%40ss@host/db", None),
    ],
)
def test_the_file_of_an_address(url: str, file: Path | None) -> None:
    assert sqlite_file(url) == file
    assert is_memory(url) is (url in {"sqlite://", "sqlite:///:memory:"})


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("sqlite:///file:/a/b.db?mode=ro&uri=true", "sqlite+pysqlite:///file:/a/b.db?mode=ro&uri=true"),
        ("sqlite:////a/%2541/b.db", "sqlite+pysqlite:////a/%2541/b.db"),
        ("sqlite:////a/b.db?timeout=3", "sqlite:////a/b.db?timeout=3"),
        ("sqlite:///b.db", "sqlite:///b.db"),
        ("sqlite://", "sqlite://"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)
def test_an_address_of_which_mlflow_makes_no_folder(url: str, spelled: str) -> None:
    assert without_new_folder(url) == spelled
    assert without_new_folder(spelled) == spelled
    assert sqlite_file(spelled) == sqlite_file(url)


@pytest.mark.parametrize("uri", ["./mlruns", "file:///home/me/mlruns", "databricks", "not an address", "sqlite"])
def test_other_stores_have_no_such_file(uri: str) -> None:
    assert sqlite_file(uri) is None
    assert url_for_looking(uri) == uri


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user who may read and not write (the tests may run as root, who may all)."""
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and allowed(path, mode))


@pytest.mark.usefixtures("others")
class TestLooking:
    @pytest.mark.parametrize("name", ["plain", "q?x %41#"])
    @pytest.mark.parametrize("mode", ["WAL", "DELETE"])
    def test_at_rest(self, name: str, mode: str, tmp_path: Path) -> None:
        home = tmp_path / name
        home.mkdir()
        fill(home / "study.db", mode=mode)
        url = url_for_looking(sqlite_url(home / "study.db"))
        assert is_read_only(url)
        assert ("immutable=1" in url) is (mode == "WAL")
        assert sqlite_file(url) == home / "study.db"
        assert rows(url) == 1
        assert [entry.name for entry in home.iterdir()] == ["study.db"], "nothing was made beside it"

    def test_beside_a_writer_its_newest_rows_are_seen(self, tmp_path: Path) -> None:
        file = tmp_path / "study.db"
        fill(file)
        with closing(sqlite3.connect(file)) as writer:
            writer.execute("INSERT INTO t VALUES (2)")
            writer.commit()
            url = url_for_looking(sqlite_url(file))
            assert "mode=ro" in url
            assert rows(url) == 2


def test_on_a_full_disk_it_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "study.db")
    monkeypatch.setattr(sqlite_files, "is_disk_full", lambda folder: True)
    assert "immutable=1" in url_for_looking(sqlite_url(tmp_path / "study.db"))


def test_one_s_own_is_opened_as_ever(tmp_path: Path) -> None:
    fill(tmp_path / "study.db")
    assert url_for_looking(sqlite_url(tmp_path / "study.db")) == sqlite_url(tmp_path / "study.db")
    assert url_for_looking("postgresql://host/db") == "postgresql://host/db"


class TestChecks:
    def test_what_is_no_database_is_refused_by_name(self, tmp_path: Path) -> None:
        text = tmp_path / "text.db"
        text.write_text("dear diary, today")
        with pytest.raises(
            UsageError, match=r"text.db: expected a study database, got 'a file that is not a database'"
        ):
            check_database(text, rule="a study database", writing=True)
        with pytest.raises(UsageError, match="a study database, a file, got 'a folder'"):
            check_database(tmp_path, rule="a study database", writing=True)
        empty = tmp_path / "empty.db"
        empty.touch()
        check_database(empty, rule="a study database", writing=True)
        with pytest.raises(UsageError, match="got 'an empty file'"):
            check_database(empty, rule="a study database", writing=False)

    @pytest.mark.usefixtures("others")
    def test_one_that_may_only_be_read_is_not_written(self, tmp_path: Path) -> None:
        fill(tmp_path / "study.db")
        check_database(tmp_path / "study.db", rule="a study database", writing=False)
        with pytest.raises(UsageError, match=r"that this user may write.*give a home of your own by --home"):
            prepare_database(tmp_path / "study.db", rule="a study database")


class TestJournal:
    @pytest.fixture
    def nfs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite_files, "network_file_system", lambda path: "nfs4")
        monkeypatch.setattr(sqlite_files, "SWITCH_TIMEOUT_S", 0.01)
        monkeypatch.setattr(sqlite_files, "_mentioned", set())

    def test_write_ahead_on_a_disk_of_this_machine(self, tmp_path: Path) -> None:
        prepare_database(tmp_path / "new" / "study.db", rule="a study database")
        assert journal(tmp_path / "new" / "study.db") == "wal"

    @pytest.mark.usefixtures("nfs")
    def test_a_rollback_journal_over_a_network_and_it_is_mentioned_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in ("study.db", "mlflow.db"):
            fill(tmp_path / name)
            prepare_database(tmp_path / name, rule="a database")
            assert journal(tmp_path / name) == "delete"
        assert [
            record.message for record in caplog.records if "(nfs4)" in record.message and "--storage" in record.message
        ]
        assert len(caplog.records) == 1

    @pytest.mark.usefixtures("nfs")
    def test_one_in_write_ahead_mode_that_is_open_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "study.db"
        fill(file)
        with closing(sqlite3.connect(file)) as other:
            other.execute("SELECT * FROM t").fetchall()
            with pytest.raises(UsageError, match=r"without write-ahead log on a network file system \(nfs4\)"):
                prepare_database(file, rule="a study database")
        prepare_database(file, rule="a study database")
        assert journal(file) == "delete"


WRITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("INSERT INTO t VALUES (2)")
connection.commit()
connection.close()
"""


@pytest.mark.parametrize("check", ["prepare", "check", "mode"])
def test_a_check_takes_no_locks_from_this_process(check: str, tmp_path: Path) -> None:
    """A process's locks on a file end when it closes that file anywhere; SQLite then took others for the last ones."""
    prepare_home(tmp_path / "home")
    file = tmp_path / "home" / "mlflow.db"
    fill(file)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
        if check == "prepare":
            prepare_database(file, rule="a tracking database")
        elif check == "check":
            check_database(file, rule="a tracking database", writing=True)
        else:
            file.chmod(0o644)
            prepare_home(tmp_path / "home")
            assert file.stat().st_mode & 0o777 == 0o600
        for rows_now in (2, 3):
            subprocess.run([sys.executable, "-c", WRITE, str(file)], check=True)
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (rows_now,)
