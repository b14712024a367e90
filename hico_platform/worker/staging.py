"""Trains a trial whose checkpoints live in a store: they are written on this machine and uploaded in the background.

Data flow one way: the trial writes into a folder of this machine, a thread of this process copies the newest checkpoint
into the store, and whoever goes on with the trial fetches it from there. While the store is away the trial goes on and
its checkpoints wait in that folder, the spool; what a process that was killed left there is uploaded by the next one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import logging
import os
import shutil
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hico_platform.atomic_io import write_whole
from hico_platform.checkpoint_files import folders, order
from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError, newest_whole
from hico_platform.enums import Decision
from hico_platform.errors import CheckpointError, Problem, UsageError
from hico_platform.own_file import open_own_file
from hico_platform.search.messages import EpochReport, ReportFunction, TrialOutcome
from hico_platform.search.task import Alive, TrialFunction, TrialTask, alive_of

LOOK_EVERY_S = 1.0
LONGEST_WAIT_S = 30.0
END_PATIENCE_S = 60.0
"""How long the end of a trial waits for its last upload; after that it goes on in the background."""

CUT_OFF_PATIENCE_S = 3.0
"""And where a trial is interrupted."""

_UPLOADED = "uploaded"
_log = logging.getLogger(__name__)


def run_staged(
    task: TrialTask, report: ReportFunction, *, function: TrialFunction, store: CheckpointStore, patient: bool = False
) -> TrialOutcome:
    """Runs a task in a folder of this machine, with its checkpoints from and in the store, below its directory's name.

    Checkpoints in reports and in the outcome are named as in the store: ``0003/epoch-000012``. ``patient`` waits for a
    store that is away also where nothing is known of a report: beginning anew could lose more.
    """
    name, spool, alive = task.directory.name, spool_of(store.url, store.folder), alive_of(report)
    with spool.held(name, alive=alive) as directory:
        spool.fetch(name, reported=task.reported, alive=alive, patient=patient)
        staged = dataclasses.replace(task, directory=directory)
        try:
            outcome = function(staged, _StagedReport(report, name, spool))
        except BaseException:
            spool.flush(name, patience_s=CUT_OFF_PATIENCE_S)
            raise
        if not spool.flush(name, patience_s=END_PATIENCE_S, alive=alive):
            _log.warning(
                "the last checkpoint of %s waits on %s in %s, until %s is back: %s",
                name, socket.gethostname(), directory, store.address(), spool.trouble,
            )  # fmt: skip
        return dataclasses.replace(outcome, checkpoint=_stored_name(name, outcome.checkpoint))


class _StagedReport:
    """The report function of a staged trial: what it reports is uploaded soon after."""

    def __init__(self, report: ReportFunction, name: str, spool: Spool) -> None:
        self._report, self._name, self._spool = report, name, spool
        self.alive = alive_of(report)

    def __call__(self, report: EpochReport) -> Decision:
        """Reports."""
        self._spool.nudge()
        return self._report(dataclasses.replace(report, checkpoint=_stored_name(self._name, report.checkpoint)))


class Spool:
    """The checkpoints of this machine that are on their way to a store, and the thread that brings them there.

    Args:
        store: where they go.
        folder: has a folder for each trial that this machine trains or trained.
        look_every_s: how often the thread looks for a new checkpoint.
    """

    def __init__(self, store: CheckpointStore, folder: Path, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._store, self._folder, self._look_every_s = store, folder, look_every_s
        self._held: set[str] = set()
        self._wake = threading.Event()
        self._done = threading.Condition()
        self._looking = threading.Lock()
        self.trouble: str | None = None
        """Why the store took nothing when it was last tried."""

        self._thread = threading.Thread(target=self._work, name="checkpoint uploads", daemon=True)
        self._thread.start()

    def directory(self, name: str) -> Path:
        """The folder of a trial."""
        return self._folder / name

    @contextlib.contextmanager
    def held(self, name: str, *, alive: Alive) -> Iterator[Path]:
        """Holds a trial's folder against other processes of this machine, while it trains there."""
        with os.fdopen(open_own_file(self._folder / f"{name}.lock"), "r+") as lock:
            while not _locked(lock.fileno()):  # another process uploads what is left there
                alive()
                time.sleep(self._look_every_s)
            self._held.add(name)
            try:
                self.directory(name).mkdir(exist_ok=True)
                yield self.directory(name)
            finally:
                with self._looking:
                    self._held.discard(name)
                    if self.is_uploaded(name):
                        shutil.rmtree(self.directory(name), ignore_errors=True)

    def fetch(self, name: str, *, reported: int, alive: Alive, patient: bool = False) -> None:
        """Fetches the newest checkpoint of a trial, unless what is here is as new as its last report.

        A trial that has not reported begins anew where the store is away, unless it is ``patient``; one that has waits.
        """
        here = self.directory(name)
        while True:
            alive()
            newest = folders(here)[-1:]
            if reported and newest and order(newest[0])[0] >= reported:
                return
            try:
                there = self._store.names(name)
                if there and (not newest or order(Path(there[-1])) > order(newest[0])):
                    fetched = newest_whole(self._store, name, here)
                    if fetched is not None:
                        write_whole(here / _UPLOADED, fetched.name.encode())
                return
            except StoreAwayError as error:
                if not reported and not patient:
                    _log.warning("%s begins without a look at the store: %s", name, error)
                    return
                time.sleep(self._look_every_s)

    def nudge(self) -> None:
        """There is a new checkpoint."""
        self._wake.set()

    def is_uploaded(self, name: str) -> bool:
        """Whether the newest checkpoint of a trial is in the store, if it has one."""
        newest = folders(self.directory(name))[-1:]
        if not newest:
            return True
        with contextlib.suppress(OSError):
            return (self.directory(name) / _UPLOADED).read_text() == newest[0].name
        return False

    def flush(self, name: str, *, patience_s: float, alive: Alive = lambda **_: None) -> bool:
        """Waits until the newest checkpoint of a trial is in the store; returns whether it is."""
        end_s = time.monotonic() + patience_s
        while not self.is_uploaded(name):
            if time.monotonic() >= end_s:
                return False
            alive()
            self.nudge()
            with self._done:
                self._done.wait(min(self._look_every_s, patience_s))
        return True

    def waiting(self) -> list[str]:
        """The trials whose newest checkpoint waits here."""
        return [name for name in self._trials() if not self.is_uploaded(name)]

    def look(self) -> None:
        """Uploads what is new, and what processes that have ended left.

        Raises:
            StoreAwayError: the store does not take it.
        """
        with self._looking:
            for name in self._trials():
                if name in self._held:
                    self._upload(name)
                    continue
                with os.fdopen(open_own_file(self._folder / f"{name}.lock"), "r+") as lock:
                    if name not in self._held and _locked(lock.fileno()):
                        self._upload(name, left=True)
                        if self.is_uploaded(name):
                            shutil.rmtree(self.directory(name), ignore_errors=True)

    def _upload(self, name: str, *, left: bool = False) -> None:
        newest = folders(self.directory(name))[-1:]
        if not newest or self.is_uploaded(name):
            return
        try:
            if not left or self._is_news(name, newest[0]):
                self._store.upload(newest[0], name)
        except (CheckpointError, FileNotFoundError) as error:
            if left:  # torn: the one before it is next
                _log.warning("not uploaded: %s", error)
                shutil.rmtree(newest[0], ignore_errors=True)
            return
        write_whole(self.directory(name) / _UPLOADED, newest[0].name.encode())
        self.trouble = None
        with self._done:
            self._done.notify_all()

    def _is_news(self, trial: str, folder: Path) -> bool:
        """Whether the store has nothing as new, and no rule has taken from what it had: others went on meanwhile."""
        names = self._store.names(trial)
        has_newer = bool(names) and order(Path(names[-1])) >= order(folder)
        return not has_newer and self._store.read_json(f"{trial}/kept.json") is None

    def _trials(self) -> list[str]:
        return sorted(one.name for one in self._folder.iterdir() if one.is_dir())

    def _work(self) -> None:
        wait_s = self._look_every_s
        while True:
            try:
                self.look()
                wait_s = self._look_every_s
            except StoreAwayError as error:
                if self.trouble is None:
                    _log.warning("the checkpoint store is away, the trial goes on: %s", error)
                self.trouble = str(error)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except OSError as error:  # the spool's own disk
                self.trouble = str(error)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            self._wake.wait(wait_s)
            self._wake.clear()


@functools.lru_cache(maxsize=8)
def spool_of(url: str, folder: str) -> Spool:
    """The spool of a search on this machine; one in a process."""
    return Spool(CheckpointStore(url, folder), spool_folder(url, folder))


def spool_folder(url: str, folder: str) -> Path:
    """A folder of this user alone, on a local disk: below ``$HICO_STAGING``, else the folder of temporary files.

    Raises:
        UsageError: another account can write to it.
    """
    parent = Path(os.environ.get("HICO_STAGING") or Path(tempfile.gettempdir()) / f"hico-platform-{os.geteuid()}")
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        rule, remedy = "a folder that this user alone can write", "name another by HICO_STAGING"
        raise UsageError(Problem(file=parent, rule=rule, value=stat.filemode(found.st_mode), remedy=remedy))
    own = parent / f"checkpoints-{hashlib.sha256(f'{url} {folder}'.encode()).hexdigest()[:12]}"
    own.mkdir(mode=0o700, exist_ok=True)
    return own


def bring_what_waits(store: CheckpointStore, *, patience_s: float) -> list[str]:
    """Uploads what waits on this machine once its workers have ended; returns the trials that still wait."""
    spool = spool_of(store.url, store.folder)
    end_s = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(OSError):
            spool.look()
        waiting = spool.waiting()
        if not waiting or time.monotonic() >= end_s:
            return waiting
        time.sleep(spool._look_every_s)


def _stored_name(name: str, checkpoint: Path) -> Path:
    return Path(name) / checkpoint.name


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
