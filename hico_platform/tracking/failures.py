"""Classifies errors of a tracking store: is the store unavailable for a while, or does it refuse the write?

MLflow raises most errors as ``MlflowException`` with the code 500, whatever the cause, so the whole chain of errors is
searched: the status of the HTTP answer, the error code of the database, the class of the underlying error. Classes of
libraries that may not be installed (boto3, psycopg, ...) are recognised by their names.
"""

from __future__ import annotations

import errno
import http.client
import re
import sqlite3
import ssl
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple

from hico_platform.database_rights import REMEDY, lacks_rights
from hico_platform.masking import masked

LONGEST_LINE = 300
_WRAPPED = " failed with exception"
_RETRIED = re.compile(r"too many (\d{3}) error responses")  # urllib3's message is the only record of the status
_AWAY_STATUS = {408, 425, 429}
_NEVER_STATUS = {501, 505}  # not implemented or not supported: a retry cannot succeed
_AWAY_ERRNO = {
    errno.EAGAIN, errno.EBUSY, errno.EDQUOT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EINTR, errno.EIO,
    errno.EMFILE, errno.ENETDOWN, errno.ENETUNREACH, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.ESTALE,
    errno.ETIMEDOUT,
}  # fmt: skip
_AWAY_SQLITE = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
# SQLSTATE classes: connection, rollback, resources, operator intervention; and the code of an unavailable lock.
_AWAY_SQLSTATE = ("08", "40", "53", "57", "55P03")
# Besides missing rights, errors that a retry does not cure: unknown names, and a failed TLS handshake.
_NEVER_DATABASE = re.compile(r"does not exist|unknown database|certificate|does not support SSL", re.I)
_NEVER_MYSQL = {1049}
_AWAY_CLASSES = {
    "requests.ConnectionError", "requests.Timeout", "requests.RetryError", "requests.ChunkedEncodingError",
    "urllib3.TimeoutError", "urllib3.ProtocolError", "urllib3.NewConnectionError", "urllib3.MaxRetryError",
    "botocore.HTTPClientError", "botocore.ConnectionError", "google.TransportError", "google.RetryError",
    "azure.ServiceRequestError", "azure.ServiceResponseError", "sqlalchemy.TimeoutError",
}  # fmt: skip


class _Known(NamedTuple):
    """Part of an MLflow message, and the remedy for it."""

    words: str
    remedy: str


_KNOWN = (
    _Known(
        words="filesystem tracking backend",
        remedy="give a database, such as sqlite:////FOLDER/mlflow.db, or http://HOST:PORT",
    ),
    _Known(
        words="database schema",
        remedy="upgrade an older database by mlflow db upgrade URI, or install the MLflow of a newer one",
    ),
    _Known(words="readonly database", remedy="make the file and its folder writable, or give another store"),
)
_DATABASE_CLASSES = {"OperationalError", "InterfaceError"}
_PASSING_SSL = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, ssl.SSLWantReadError)


def is_away(error: BaseException) -> bool:
    """Whether the same write may succeed later; if not, the store refuses it and a retry is useless.

    Unavailable: connections refused, reset or timed out, names that are not resolved, HTTP 408, 425, 429 and 5xx, a
    database that is locked, full or unreachable. Refused: everything else, such as other HTTP 4xx, missing packages and
    rights, wrong addresses and values.
    """
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, ssl.SSLError):
            return isinstance(one, _PASSING_SSL)
        if isinstance(one, ImportError):
            return False
    status = http_status(error)
    if status is not None:
        return status in _AWAY_STATUS or (status >= 500 and status not in _NEVER_STATUS)
    verdicts = (_verdict(one) for one in chain)
    return next((verdict for verdict in verdicts if verdict is not None), False)


def is_answered(error: BaseException) -> bool:
    """Whether a server answered, with an error of its own (HTTP 5xx)."""
    return (http_status(error) or 0) >= 500


def http_status(error: BaseException) -> int | None:
    """The status of the HTTP answer behind an error, or the one that MLflow's error code means."""
    return _answer_status(error) or _mlflow_status(error)


def _answer_status(error: BaseException) -> int | None:
    for one in _chain(error):
        response = getattr(one, "response", None)  # requests, botocore
        if isinstance(response, dict):
            response = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        for found in (getattr(response, "status_code", response), getattr(one, "status_code", None), _answer(one)):
            if isinstance(found, int) and 100 <= found < 600:
                return found
        if "requests.RetryError" in _names(one) and (retried := _RETRIED.search(str(one))):
            return int(retried[1])
        code = getattr(one, "code", None)  # google.api_core
        if "google.GoogleAPICallError" in _names(one) and isinstance(code, int):
            return int(code)
    return None


def remedy(error: BaseException) -> str:
    """What to do about a refusal, by its kind."""
    for one in _chain(error):
        if isinstance(one, ImportError):
            return f"install what MLflow needs for this store: {one.name or one}"
    status = http_status(error)
    if status in (401, 403):
        return "give MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, that may write"
    if status == 413:
        return "raise the size of a request that the server, or the proxy before it, accepts"
    text = " ".join(str(one) for one in _chain(error))
    for known in _KNOWN:
        if known.words in text:
            return known.remedy
    if lacks_rights(error):
        return REMEDY
    if any(isinstance(one, PermissionError) for one in _chain(error)):
        return "give this user the right to write there, or give another store"
    return "check the address: http://HOST:PORT of an MLflow server, or sqlite:////FOLDER/FILE.db"


def in_one_line(error: BaseException) -> str:
    """An error's message in one line of limited length, with passwords masked."""
    words = str(error).strip().splitlines()
    # MLflow joins the messages of all causes in one line; the innermost says what happened.
    if words and _WRAPPED in words[0]:
        *_, lowest = _chain(error)
        words = [f"{words[0].partition(_WRAPPED)[0]}: {type(lowest).__name__}: {lowest}"]
    line = f"{type(error).__name__}: {words[0] if words else 'no message'}"
    status = _answer_status(error)
    if status is not None and str(status) not in line:
        line = f"HTTP {status}: {line}"
    return masked(line)[:LONGEST_LINE]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _names(error: BaseException) -> set[str]:
    """The error's classes as ``package.Class``."""
    return {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}


def _answer(error: BaseException) -> int | None:
    """The HTTP status from MLflow's frame: its errors keep only the body, and a proxy's body has no error code."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "verify_rest_response":
            status = getattr(frame.f_locals.get("response"), "status_code", None)
            return status if isinstance(status, int) and status >= 400 else None
    return None


def _mlflow_status(error: BaseException) -> int | None:
    """The status that MLflow's error code means; not 500, which MLflow also uses for unknown errors."""
    status = getattr(error, "get_http_status_code", lambda: None)()
    has_cause = error.__cause__ is not None or error.__context__ is not None
    return status if isinstance(status, int) and status != 500 and not has_cause else None


def _verdict(error: BaseException) -> bool | None:
    names = _names(error)
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and (code & 0xFF) in _AWAY_SQLITE
    if "sqlalchemy.DBAPIError" in names:
        below: Any = getattr(error, "orig", None)
        return _database(error if below is None else below)
    if isinstance(error, ConnectionError | TimeoutError | http.client.HTTPException) or names & _AWAY_CLASSES:
        return True
    if isinstance(error, OSError):
        # The resolver's error numbers are not those of errno.
        return type(error).__name__ in {"gaierror", "herror"} or error.errno in _AWAY_ERRNO
    return None


def _database(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return bool(_verdict(error))
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state is not None:
        return str(state).startswith(_AWAY_SQLSTATE)
    if lacks_rights(error) or not {kind.__name__ for kind in type(error).__mro__} & _DATABASE_CLASSES:
        return False
    number = error.args[0] if error.args else None
    return number not in _NEVER_MYSQL and _NEVER_DATABASE.search(str(error)) is None
