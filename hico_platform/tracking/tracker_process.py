"""MLflow in a process of its own, so that it takes neither the driver's time nor its memory."""

from __future__ import annotations

import abc
import contextlib
import json
import logging
import multiprocessing
import os
import secrets
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from hico_platform.errors import HicoError
from hico_platform.interruptions import time_left_s
from hico_platform.masking import masked
from hico_platform.sqlite_files import without_new_folder
from hico_platform.tracking.base import Tracker, TrackingError, TrackingRefused
from hico_platform.tracking.failures import in_one_line
from hico_platform.tracking.tracker_server import METHODS, TrackerManager

START_S, END_S = 60.0, 5.0
MOST_SAID = 100
_FOLDER, _LONGEST_SOCKET = "hico-tracking-", 100
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


class TrackerEndedError(Exception):
    """The command that the tracker was for has ended; what a thread still has to write is not tried again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Server:
    process: subprocess.Popen[bytes]
    folder: Path
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def socket(self) -> str:
        return f"{self.folder}/socket"

    def wait_until_ready(self) -> None:
        """Raises OSError or EOFError where it does not answer; anything else that is printed there is no answer."""
        assert self.process.stdout is not None
        said, end_s = b"", time.monotonic() + START_S
        while f"{self.socket}\n".encode() not in said:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, end_s - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no answer within {START_S:g} s")
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                raise EOFError
            said += more

    def end(self) -> None:
        """Ends the process, and what it is writing."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it may have ended
            self.process.stdin.close()
        try:
            self.process.wait(timeout=time_left_s(END_S))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class _TrackerProcess(Tracker):
    """Its other methods are made below: each calls the process."""

    def __init__(self, *, uri: str, artifacts: Path | None) -> None:
        self._uri, self._artifacts = without_new_folder(uri), artifacts
        self._starting_or_asking = threading.Lock()
        self._server: _Server | None = None
        self._calls: Any = None  # the proxy of the tracker, with a connection for each thread
        self._was_started = self._ended = False
        self._said: set[str] = set()

    @property
    def address(self) -> str:
        """The tracking store's URI, without its password."""
        return masked(self._uri)

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A method of the tracker, and what it returns or raises."""
        calls = self._running()
        try:
            return calls._callmethod(name, args, kwargs)
        except (TrackingError, TrackingRefused, HicoError):
            raise
        except (EOFError, OSError, multiprocessing.ProcessError) as error:
            self._lose(calls)
            # What ends the process each time is an answer: an upload is not tried for ever.
            raise TrackingError(f"the process that writes to {self.address} ended", answered=True) from error
        except Exception as error:
            raise TrackingRefused(in_one_line(error)) from error

    def end(self) -> None:
        """Ends the process, and what it is writing."""
        self._ended = True
        server = self._server
        if server is not None:
            server.end()  # also one that is starting, for which the lock is held

    def _running(self) -> Any:
        with self._starting_or_asking:
            if self._ended:
                raise TrackerEndedError
            if self._calls is None:
                self._calls = self._start()
            return self._calls

    def _lose(self, calls: Any) -> None:
        with self._starting_or_asking:
            if self._calls is calls and self._server is not None:
                self._calls = None
                self._server.end()

    def _start(self) -> Any:
        try:
            server = self._server = _open_server(self._pass_on)
            if self._ended:
                server.end()
                raise TrackerEndedError
            self._tell(server)
            server.wait_until_ready()
            manager = TrackerManager(address=server.socket, authkey=server.key)
            manager.connect()
            return manager.tracker()  # type: ignore[attr-defined]
        except (EOFError, OSError, multiprocessing.ProcessError) as error:
            if self._server is not None:
                self._server.end()
            why = f" ({in_one_line(error)})" if str(error) else ""
            raise TrackingError(f"the process that writes to {self.address} does not start{why}") from error

    def _tell(self, server: _Server) -> None:
        again, self._was_started = self._was_started, True
        given = {
            "uri": self._uri,
            "artifacts": None if self._artifacts is None else str(self._artifacts),
            "again": again,
            "socket": server.socket,
            "key": server.key.hex(),
        }
        modules = [one for one in sys.path if isinstance(one, str)]  # importing passes over anything else, too
        assert server.process.stdin is not None
        server.process.stdin.write(f"{json.dumps(modules)}\n{json.dumps(given)}\n".encode())
        server.process.stdin.flush()

    def _pass_on(self, messages: IO[bytes]) -> None:
        """Each line once: a process that does not start says the same again and again."""
        for message in messages:
            line = masked(message.decode(errors="replace").rstrip())
            if line not in self._said and len(self._said) < MOST_SAID:
                self._said.add(line)
                _log.warning("%s", line)


def _open_server(listen: Callable[[IO[bytes]], None]) -> _Server:
    """A process, which waits for what it is told; ``listen`` reads its standard error in a thread of its own."""
    folder = _socket_folder()
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the driver's
        )
    except BaseException:
        folder.rmdir()
        raise
    assert process.stderr is not None
    threading.Thread(target=listen, args=[process.stderr], name="tracking messages", daemon=True).start()
    return _Server(process=process, folder=folder)


def _socket_folder() -> Path:
    """A folder that only this account enters; the system's, where the path of a socket in another would be too long."""
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
    if len(os.fsencode(folder / "socket")) < _LONGEST_SOCKET:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix=_FOLDER, dir="/tmp"))


TrackerManager.register("tracker", exposed=METHODS)


def _method(name: str) -> Any:
    def call(self: _TrackerProcess, *args: Any, **kwargs: Any) -> Any:
        return self.call(name, args, kwargs)

    call.__name__, call.__doc__ = name, getattr(Tracker, name).__doc__
    return call


for _name in METHODS:
    setattr(_TrackerProcess, _name, _method(_name))
abc.update_abstractmethods(_TrackerProcess)  # type: ignore[type-abstract]
