"""Whatever ends a command ends it in a line with an exit code, and never in a traceback."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hico_platform.cli.explain import Scene, explain
from hico_platform.cli.main import main
from hico_platform.errors import Problem, UsageError
from hico_platform.search.ledger import storage
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from tests.toy import FACTS, toy_space

SPACE = toy_space(trials=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a search ``toy`` of one trial, closed."""
    home = tmp_path_factory.mktemp("made") / "home"
    storage = open_storage(sqlite_url(home / "study.db"))
    StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=2, at_s=0.0).begin(SPACE, at_s=0.0)
    storage.remove_session()
    storage.engine.dispose()
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "home"))


def text(file: Path) -> None:
    file.write_text("dear diary, today nothing happened at all, and so it went on")


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:6000])


def folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def of_a_newer_optuna(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9.a'")
        connection.execute("UPDATE version_info SET schema_version = 99")
        connection.commit()


def of_another_program(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE recipes (x)")
        connection.commit()


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err + printed.out
    lines = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, printed.err
    return lines[0]


class TestStudyDatabase:
    @pytest.mark.parametrize(
        ("damage", "code", "words"),
        [
            (text, 2, "a study database, got 'a file that is not a database'"),
            (truncated, 1, "expected a whole database, got"),
            (folder, 2, "a study database, a file, got 'a folder'"),
            (empty, 2, "a study database, got 'an empty file'"),
            (of_a_newer_optuna, 2, "got 'one of a newer Optuna'; install a newer Optuna"),
            (of_another_program, 2, "got 'a database in which no search has begun'"),
        ],
    )
    @pytest.mark.parametrize(
        "words_of_command", [["status"], ["status", "toy"], ["report", "toy", "--json"], ["retrain", "toy"]]
    )
    def test_a_damaged_one(
        self,
        damage: Callable[[Path], None],
        code: int,
        words: str,
        words_of_command: list[str],
        home: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        damage(home / "study.db")
        assert main([*words_of_command, "--home", str(home)]) == code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err + printed.out
        shown = printed.out if "--json" in words_of_command else printed.err
        if "--json" in words_of_command:
            (problem,) = json.loads(shown)["errors"]
            shown = f"{problem['file']}: expected {problem['rule']}, got {problem['value']!r}; {problem['remedy']}"
        assert str(home / "study.db") in shown
        assert words in shown

    @pytest.mark.slow
    def test_a_locked_one(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(storage, "LOOK_TIMEOUT_S", 0.05)
        with closing(sqlite3.connect(home / "study.db", isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            assert main(["status", "toy", "--home", str(home)]) == 1
        assert "that no other process holds for so long, got" in one_line(capsys)

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("nonsense", "a database URL, such as postgresql"),
            ("oracle17://me:s3cr3t@host/db", "SQLAlchemy knows no such database"),
            ("mysql+mysqldb://me:s3cr3t@host/db", "install its driver"),
            ("postgresql+psycopg://me:s3cr3t@127.0.0.1:1/db", "a reachable study database"),
            ("postgresql+psycopg://me:s3c/r3t@nowhere.invalid/db", "a reachable study database"),
            ("sqlite://", "a database that outlives the process"),
        ],
    )
    def test_an_address_that_cannot_be_used(
        self, url: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["status", "--home", str(tmp_path), "--storage", url]) == 2
        line = one_line(capsys)
        assert words in line
        assert "s3c" not in line


class TestTrackingStore:
    @pytest.mark.parametrize(
        ("damage", "words"),
        [
            (text, "a tracking database, got 'a file that is not a database'"),
            (folder, "a tracking database, a file, got 'a folder'"),
            (empty, "got 'an empty file'"),
        ],
    )
    def test_a_damaged_one(
        self, damage: Callable[[Path], None], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        damage(tmp_path / "mlflow.db")
        with free_port() as port:
            assert main(["ui", "--home", str(tmp_path), "--port", str(port)]) == 2
        assert words in one_line(capsys)

    @pytest.mark.slow
    @pytest.mark.parametrize(("status", "code"), [(200, 2), (404, 2), (500, 1)])
    def test_something_else_answers(self, status: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
        with web_page(status) as address:
            url = address.replace("http://", "http://me:s3cr3t@")
            assert main(["ui", "--tracking", url, "--home", "/nowhere"]) == code
        line = one_line(capsys)
        assert "a tracking store that" in line
        assert "--tracking" in line
        assert "s3cr3t" not in line

    def test_nobody_answers(self, capsys: pytest.CaptureFixture[str]) -> None:
        with free_port() as port:
            assert main(["ui", "--tracking", f"http://127.0.0.1:{port}", "--home", "/nowhere"]) == 1
        assert "a tracking store that answers" in one_line(capsys)


@contextmanager
def free_port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    yield port


@contextmanager
def web_page(status: int) -> Iterator[str]:
    """A web server that is no tracking store."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><html>Log in</html>")

        do_GET = do_POST

        def log_message(self, *words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


LONG = "n" * 300


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (["status", "--home", "{file}"], 2, "{file}/study.db: expected a path whose parents are folders"),
        (["status", "--home", "{tmp}/" + LONG], 2, "a path that the file system takes"),
        (
            ["search", "--space", "level_weights.yaml", "--home", "{file}"],
            2,
            "{file}: expected a home in a folder that",
        ),
        (["search", "--space", "level_weights.yaml", "--home", "{diary}"], 2, "a tracking database, got 'a file that"),
        (["search", "--space", "level_weights.yaml", "--home", "{tmp}/" + LONG], 2, "that the file system takes"),
        (["retrain", "toy", "--home", "{file}/x"], 2, "{file}: expected a home in a folder that"),
        (["search", "--space", "level_weights.yaml", "--home", "{file}", "--dry-run"], 0, ""),
        (["search", "--space", "{tmp}"], 2, "an existing file or the name of a space"),
        (["search", "--space", "level_weights.yaml", "--runtime-env", "{tmp}"], 2, "{tmp}"),
        (["retrain", "--config", "{tmp}"], 2, "{tmp}"),
        (["pretrain", "--config", "{tmp}"], 2, "{tmp}"),
        (
            ["pretrain", "--config", "{yaml}", "--out", "{file}/x"],
            2,
            "{file}: expected a folder for checkpoints that this user may write, got 'a file'",
        ),
        (["pretrain", "--config", "{yaml}", "--home", "{file}"], 2, "{file}: expected a folder for checkpoints"),
        (["pretrain", "--config", "{tmp}/none.yaml"], 2, "none.yaml"),
        (["report", "toy", "--home", "{home}", "--out", "{file}/page.html"], 2, "{file}"),
        (["report", "toy", "--home", "{home}", "--out", "{tmp}"], 2, "{tmp}"),
        (["report", "toy", "--home", "{home}", "--out", "{tmp}/" + LONG], 2, "a path that the file system takes"),
        (["data", "info", "{file}"], 3, "{file}"),
        (["data", "verify", "{tmp}/none"], 3, "{tmp}/none"),
        (["data", "synth", "--out", "{file}/x"], 2, "{file}"),
        (["data", "prepare", "--format", "ntu60", "--raw", "{tmp}/none", "--out", "{tmp}/o"], 3, "{tmp}/none"),
        (["ui", "--home", "{tracked}", "--port", "0"], 2, "a port from 1 to 65535"),
        (["ui", "--home", "{tracked}", "--port", "99999"], 2, "a port from 1 to 65535"),
        (
            ["ui", "--home", "{tracked}", "--host", "nowhere.invalid"],
            2,
            "--host: expected an address or name of this machine, which resolves",
        ),
        (["ui", "--home", "{tracked}", "--host", "192.0.2.1"], 2, "Cannot assign requested address"),
        (["status", "--home", "~nobody-of-that-name/x"], 2, "--home: expected a folder that can be found"),
    ],
)
def test_places_that_cannot_be_used(
    words: list[str],
    code: int,
    shown: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HICO_HOME", str(tmp_path / "default"))
    file, tracked = tmp_path / "file", tmp_path / "tracked"
    file.write_text("a file")
    tracked.mkdir()
    (tracked / "mlflow.db").touch()
    diary = tmp_path / "diary"
    diary.mkdir()
    text(diary / "mlflow.db")
    (tmp_path / "one.yaml").write_text("budget: {epochs: 1}\n")
    given = {
        "yaml": tmp_path / "one.yaml",
        "diary": diary,
        "file": file,
        "tmp": tmp_path,
        "home": home,
        "tracked": tracked,
    }
    assert main([word.format(**given) for word in words]) == code
    if code:
        assert shown.format(**given) in one_line(capsys)


SCENE = Scene(home=Path("/etc"), study=Path("/etc/study.db"))


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            TypeError("unsupported operand"),
            r"expected an error that hico-platform knows, got 'TypeError: unsupported operand'; run again with --tr",
        ),
        (AssertionError(), r"that hico-platform knows, got 'AssertionError: AssertionError'"),
    ],
)
def test_any_other_error_is_to_be_reported(error: Exception, shown: str) -> None:
    found = explain(error, SCENE)
    assert found.exit_code == 1
    assert re.search(shown, str(found.problems[0])), str(found.problems[0])


def test_what_a_library_wraps_is_found() -> None:
    from sqlalchemy.exc import OperationalError

    below = sqlite3.OperationalError("database is locked")
    outer = OperationalError("SELECT 1", {}, below)
    outer.__cause__ = below
    wrapped = RuntimeError("storage")
    wrapped.__cause__ = outer
    assert "no other process holds" in str(explain(wrapped, SCENE).problems[0])
    ours = RuntimeError("a library's")
    ours.__cause__ = UsageError(Problem(rule="ours", remedy=None))
    assert explain(ours, SCENE).exit_code == 2


def test_a_context_that_was_suppressed_is_no_cause() -> None:
    error = TypeError("no")
    error.__context__ = UsageError(Problem(rule="ours", remedy=None))
    assert explain(error, SCENE).exit_code == 2
    error.__suppress_context__ = True
    assert explain(error, SCENE).exit_code == 1


def test_errors_that_name_each_other_as_causes_come_to_an_end() -> None:
    one, other = TypeError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert "TypeError: one" in str(explain(one, SCENE).problems[0])
