"""MLflow in a process of its own, so that it takes neither the driver's time nor its memory."""

from __future__ import annotations

import abc
import contextlib
import json
import logging
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hico_platform.masking import masked
from hico_platform.sqlite_files import without_new_folder
from hico_platform.tracking.base import Tracker, TrackingError
from hico_platform.tracking.tracker_server import METHODS, TrackerManager

_END_S = 5.0
# Modules are found where the driver finds them, and no other's in the folder that it was started in.
_SERVE = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.readline()); "
    "from hico_platform.tracking.tracker_server import main; main()"
)
_log = logging.getLogger(__name__)


@contextmanager
def tracker_process(*, uri: str, artifacts: Path | None) -> Iterator[Tracker]:
    """The tracker of a store, whose calls are made by another process, several at a time if several threads call.

    A process that is killed is started again by the next call; the call that it made raises TrackingError, as one to a
    store that is away, and may be made again.

    Args:
        uri: the tracking store, as :class:`~hico_platform.tracking.mlflow_tracker.MlflowTracker` takes it.
        artifacts: the folder of artifacts; a server has its own.
    """
    tracker = _TrackerProcess(uri=uri, artifacts=artifacts)  # type: ignore[abstract]
    try:
        yield tracker
    finally:
        tracker.end()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Server:
    process: subprocess.Popen[str]
    folder: str
    calls: Any
    """The proxy of the tracker, with a connection for each thread."""


class _TrackerProcess(Tracker):
    """Its other methods are made below: each calls the process."""

    def __init__(self, *, uri: str, artifacts: Path | None) -> None:
        self._uri, self._artifacts = without_new_folder(uri), artifacts
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._started = 0
        self._ended = False

    @property
    def address(self) -> str:
        """The tracking store's URI, without its password."""
        return masked(self._uri)

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A method of the tracker, and what it returns or raises."""
        server = self._running()
        try:
            return server.calls._callmethod(name, args, kwargs)
        except (EOFError, ConnectionError) as error:
            self._lose(server)
            raise TrackingError(f"the process that writes to {self.address} ended") from error

    def end(self) -> None:
        """Ends the process, and what it is writing."""
        with self._lock:
            self._ended = True
            if self._server is not None:
                _end(self._server)
                self._server = None

    def _running(self) -> _Server:
        with self._lock:
            if self._ended:
                raise TrackingError("the command has ended")
            if self._server is None:
                self._server = self._start()
            return self._server

    def _lose(self, server: _Server) -> None:
        with self._lock:
            if self._server is server:
                _end(server)
                self._server = None

    def _start(self) -> _Server:
        again, self._started = self._started > 0, self._started + 1
        folder, key = tempfile.mkdtemp(prefix="hico-tracking-"), secrets.token_bytes(32)
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is the driver's
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        threading.Thread(target=_pass_on, args=[process.stderr], name="tracking messages", daemon=True).start()
        given = {
            "uri": self._uri,
            "artifacts": None if self._artifacts is None else str(self._artifacts),
            "again": again,
            "socket": f"{folder}/socket",
            "key": key.hex(),
        }
        try:
            process.stdin.write(f"{json.dumps(sys.path)}\n{json.dumps(given)}\n")
            process.stdin.flush()
            address = process.stdout.readline().strip()
            if not address:
                raise EOFError
            manager = TrackerManager(address=address, authkey=key)
            manager.connect()
            return _Server(process=process, folder=folder, calls=manager.tracker())  # type: ignore[attr-defined]
        except (EOFError, OSError) as error:
            _end(_Server(process=process, folder=folder, calls=None))
            raise TrackingError(f"the process that writes to {self.address} does not start; see the log") from error


TrackerManager.register("tracker", exposed=METHODS)


def _method(name: str) -> Any:
    def call(self: _TrackerProcess, *args: Any, **kwargs: Any) -> Any:
        return self.call(name, args, kwargs)

    call.__name__, call.__doc__ = name, getattr(Tracker, name).__doc__
    return call


for _name in METHODS:
    setattr(_TrackerProcess, _name, _method(_name))
abc.update_abstractmethods(_TrackerProcess)  # type: ignore[type-abstract]


def _end(server: _Server) -> None:
    assert server.process.stdin is not None
    with contextlib.suppress(OSError):  # it may have ended
        server.process.stdin.close()
    try:
        server.process.wait(timeout=_END_S)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
    shutil.rmtree(server.folder, ignore_errors=True)


def _pass_on(messages: IO[str]) -> None:
    for line in messages:
        _log.warning("%s", masked(line.rstrip()))
