from __future__ import annotations

import errno
import http.server
import json
import shutil
import socket
import sqlite3
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hico_platform.tracking.base import Point, TrackingError, TrackingRefused
from hico_platform.tracking.failures import http_status, in_one_line, is_answered, is_away, remedy
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from tests.mlflow_store import mlflow_home, tracker_of

AWAY, REFUSED = TrackingError, TrackingRefused


class Handler(http.server.BaseHTTPRequestHandler):
    """``/403/json`` answers with 403 and a body that is not MLflow's; artifacts alone may be refused."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, status, kind = self.path.split("/")[:3]
        code = int(status)
        body = json.dumps({"message": "no"}) if kind == "json" else "<html>no</html>"
        if kind == "artifacts" and "mlflow-artifacts" not in self.path:
            run = {"info": {"run_id": "r", "artifact_uri": "mlflow-artifacts:/0/r/artifacts"}, "data": {}}
            code, body = 200, json.dumps({"run": run})
        if kind == "hangup":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = do_PUT = answer

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("kind", ["text", "json"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, REFUSED), (401, REFUSED), (403, REFUSED), (404, REFUSED), (405, REFUSED), (409, REFUSED), (413, REFUSED),
        (415, REFUSED), (422, REFUSED), (501, REFUSED),
        (408, AWAY), (425, AWAY), (429, AWAY), (500, AWAY), (502, AWAY), (503, AWAY), (504, AWAY), (507, AWAY),
    ],
)  # fmt: skip
def test_an_answer_tells_by_its_status(server: str, status: int, kind: str, expected: type[Exception]) -> None:
    tracker = MlflowTracker(uri=f"{server}/{status}/{kind}", artifacts=None)
    with pytest.raises(expected, match=str(status)) as raised:
        tracker.log_points("r", [Point(epoch=1, at_s=1.0, metrics={"loss": 1.0})])
    cause = raised.value.__cause__
    assert cause is not None
    assert http_status(cause) == status
    assert is_answered(cause) is (status >= 500)


@pytest.mark.parametrize(("status", "expected"), [(413, REFUSED), (403, REFUSED), (500, AWAY), (503, AWAY)])
def test_an_upload_tells_by_its_status(server: str, tmp_path: Path, status: int, expected: type[Exception]) -> None:
    (tmp_path / "weights").write_bytes(b"data")
    tracker = MlflowTracker(uri=f"{server}/{status}/artifacts", artifacts=None)
    with pytest.raises(expected, match=str(status)):
        tracker.log_folder(
            f"r{status}", tmp_path / "weights", name="checkpoint"
        )  # MLflow keeps what a run's address is


def test_a_page_in_place_of_an_answer_is_no_mlflow_server(server: str) -> None:
    with pytest.raises(TrackingRefused, match="not in a valid JSON format"):
        MlflowTracker(uri=f"{server}/200/text", artifacts=None).runs("toy")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://no-such-host.invalid:5000", "{server}/200/hangup"])
def test_a_server_that_cannot_be_reached_is_away(server: str, address: str) -> None:
    with pytest.raises(TrackingError) as raised:
        MlflowTracker(uri=address.format(server=server), artifacts=None).runs("toy")
    assert not raised.value.answered


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        ("./mlruns", "give a database"),
        ("sqlite:mlflow.db", "check the address"),
        ("http:/host:5000", "check the address"),
        ("localhost:5000", "check the address"),
        ("mysql://user:secret@host/x", "install what MLflow needs for this store: MySQLdb"),
    ],
)
def test_an_address_that_no_store_has_is_refused_with_a_remedy(uri: str, advice: str) -> None:
    tracker = MlflowTracker(uri=uri, artifacts=None)
    with pytest.raises(TrackingRefused) as raised:
        tracker.check("toy")
    assert advice in raised.value.remedy
    assert "secret" not in f"{raised.value}{tracker.address}"


def test_https_to_a_server_without_it_is_refused(server: str) -> None:
    with pytest.raises(TrackingRefused, match="SSL"):
        MlflowTracker(uri=server.replace("http:", "https:"), artifacts=None).runs("toy")


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    mlflow_home(tmp_path)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(TrackingRefused, match="database schema") as raised:
        tracker_of(tmp_path).check("toy")
    assert "or install the MLflow of a newer one" in raised.value.remedy


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("something else " * 100)
    with pytest.raises(TrackingRefused, match="not a database"):
        tracker_of(tmp_path).check("toy")


def test_a_locked_database_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = mlflow_home(tmp_path)
    run_id = tracker.open_run(experiment="toy", key="a", name="a", parent=None, params={}, tags={}, at_s=1.0)
    from mlflow.store.db import utils

    text = utils.sql.text  # MLflow waits 20 s for the lock
    monkeypatch.setattr(
        utils.sql, "text", lambda words: text(words.replace("busy_timeout = 20000", "busy_timeout = 1"))
    )
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TrackingError, match="locked"):
            tracker.set_tags(run_id, {"a": "b"})


def test_artifacts_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    tracker = mlflow_home(tmp_path)
    run_id = tracker.open_run(experiment="toy", key="a", name="a", parent=None, params={}, tags={}, at_s=1.0)
    shutil.rmtree(tmp_path / "mlartifacts", ignore_errors=True)
    (tmp_path / "mlartifacts").write_text("a file where the folder was")
    with pytest.raises(TrackingRefused):
        tracker.log_text(run_id, "text", name="a.txt")
    tracker.set_tags(run_id, {"a": "b"})


def test_a_store_that_is_yet_to_be_made_is_left_alone(tmp_path: Path) -> None:
    tracker_of(tmp_path / "home").check("toy")
    assert list(tmp_path.iterdir()) == []


class Response:
    """What requests and botocore hang on their errors."""

    def __init__(self, status: int) -> None:
        self.status_code = status


def like(module: str, name: str, *bases: type[BaseException], **attributes: object) -> Exception:
    """An error of a library that may not be installed."""
    kind = type(name, bases or (Exception,), {"__module__": module})
    error = kind("said")
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    assert isinstance(error, Exception)
    return error


def from_below(cause: BaseException) -> Exception:
    """An error that another one was made of, as the clients of stores do."""
    try:
        try:
            raise cause
        except BaseException as below:
            raise RuntimeError("upload failed") from below
    except RuntimeError as error:
        return error


ERRORS = [
    (like("botocore.exceptions", "ClientError", response={"ResponseMetadata": {"HTTPStatusCode": 403}}), False),
    (like("botocore.exceptions", "ClientError", response={"ResponseMetadata": {"HTTPStatusCode": 503}}), True),
    (like("botocore.exceptions", "NoCredentialsError"), False),
    (like("botocore.exceptions", "ConnectTimeoutError", type(like("botocore.exceptions", "HTTPClientError"))), True),
    (like("azure.core.exceptions", "HttpResponseError", status_code=401), False),
    (like("azure.core.exceptions", "ServiceRequestError"), True),
    (like("google.api_core.exceptions", "Forbidden",
          type(like("google.api_core.exceptions", "GoogleAPICallError")), code=403), False),
    (like("requests.exceptions", "HTTPError", response=Response(413)), False),
    (ModuleNotFoundError("No module named 'boto3'", name="boto3"), False),
    (PermissionError(errno.EACCES, "no"), False), (FileNotFoundError(errno.ENOENT, "no"), False),
    (OSError(errno.EROFS, "no"), False), (OSError(errno.ENOSPC, "full"), True), (OSError(errno.ESTALE, "nfs"), True),
    (ConnectionResetError(), True), (BrokenPipeError(), True), (TimeoutError(), True),
    (socket.gaierror(-2, "no"), True),
    (ssl.SSLCertVerificationError("certificate"), False), (ssl.SSLEOFError("cut off"), True),
    (ValueError("a bad value"), False), (KeyError("x"), False), (UnicodeError(), False),
]  # fmt: skip


@pytest.mark.parametrize(("error", "away"), ERRORS)
def test_an_error_tells_by_its_kind_wherever_it_is_in_the_chain(error: Exception, away: bool) -> None:
    assert is_away(error) is away
    assert is_away(from_below(error)) is away


@pytest.mark.parametrize(
    ("state", "text", "away"),
    [
        (None, "connection refused", True),
        (None, "could not translate host name", True),
        (None, 'password authentication failed for user "u"', False),
        (None, 'database "x" does not exist', False),
        (None, 'FATAL:  permission denied for database "x"', False),
        (None, 'FATAL:  role "u" is not permitted to log in', False),
        (None, "server does not support SSL, but SSL was required", False),
        (None, "SSL error: certificate verify failed", False),
        (None, "the database system is starting up", True),
        ("57P01", "terminating connection due to administrator command", True),
        ("53300", "too many connections", True),
        ("40P01", "deadlock detected", True),
        ("28P01", "wrong password", False),
        ("42501", "permission denied for table runs", False),
    ],
)
def test_a_database_server_tells_by_sqlstate_or_words(state: str | None, text: str, away: bool) -> None:
    below = type("OperationalError", (Exception,), {"__module__": "psycopg"})(text)
    below.sqlstate = state
    base = type("DBAPIError", (Exception,), {"__module__": "sqlalchemy.exc"})
    error = type("OperationalError", (base,), {"__module__": "sqlalchemy.exc"})(text)
    error.orig = below
    assert is_away(from_below(error)) is away


@pytest.mark.parametrize(
    ("number", "away"), [(1142, False), (1044, False), (1290, False), (1049, False), (2003, True), (1205, True)]
)
def test_a_mysql_server_tells_by_its_numbers(number: int, away: bool) -> None:
    below = type("OperationalError", (Exception,), {"__module__": "pymysql.err"})(number, "said")
    error = type("DBAPIError", (Exception,), {"__module__": "sqlalchemy.exc"})("said")
    error.orig = below
    assert is_away(from_below(error)) is away


def test_missing_rights_are_remedied_by_rights_and_not_by_another_address() -> None:
    denied = type("InsufficientPrivilege", (Exception,), {"__module__": "psycopg.errors", "sqlstate": "42501"})
    assert "(GRANT)" in remedy(from_below(denied("permission denied for table runs")))
    assert remedy(from_below(PermissionError(errno.EACCES, "no"))).startswith("give this user the right to write there")


def test_a_sqlite_store_that_may_only_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    mlflow_home(tmp_path)
    tracker = MlflowTracker(uri=f"sqlite:///file:{tmp_path}/mlflow.db?mode=ro&uri=true", artifacts=None)
    with pytest.raises(TrackingRefused, match="readonly database") as raised:
        tracker.check("another")
    assert raised.value.remedy == "make the file and its folder writable, or give another store"
    assert tracker.experiments() == {}
    assert list((tmp_path / "current").iterdir()) == []


def test_a_missing_package_is_named_in_the_remedy() -> None:
    assert remedy(from_below(ModuleNotFoundError("no", name="boto3"))).endswith("for this store: boto3")


def test_a_line_is_short_and_has_no_password() -> None:
    error = RuntimeError("cannot open http://me:secret@host:5000/x\nmore" + "x" * 5000)
    assert in_one_line(error) == "RuntimeError: cannot open http://me:***@host:5000/x"
    assert len(in_one_line(RuntimeError("x" * 5000))) <= 300
    assert "secret" not in in_one_line(OSError("no postgresql+psycopg://u:secret@h/x"))


def test_a_server_that_is_away_is_said_with_its_address_and_what_happened() -> None:
    with pytest.raises(TrackingError) as raised:
        MlflowTracker(uri="http://127.0.0.1:9", artifacts=None).runs("toy")
    assert str(raised.value) == (
        "MlflowException: API request to http://127.0.0.1:9/api/2.0/mlflow/experiments/get-by-name: "
        "ConnectionRefusedError: [Errno 111] Connection refused"
    )
