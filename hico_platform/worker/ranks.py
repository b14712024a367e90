"""Processes that train one model together: the one that runs the task is rank 0, the others are started beside it.

They live as long as the block that they are started for, and end with this process however it ends. Where one is
lost the block ends by an error that says why, and the task goes on from its last checkpoint when it is run again.
"""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

from hico_platform.errors import HicoError, LostRankError, Problem, first_line
from hico_platform.interruptions import SIGNALS
from hico_platform.train.distributed import ALONE, Ranks, joined_ranks, leave_ranks

_log = logging.getLogger(__name__)
_READY = "ready"
_LOOK_S = 0.5
_REASON_S = 1.0
"""How long after an error it is looked for a rank that caused it: one says why before it leaves, if it can."""
_EXIT_S = 30.0


class Follow(Protocol):
    """What another rank runs; it pickles."""

    def __call__(self, *, number: int, join: Join) -> None:
        """Prepares, joins rank ``number`` to the others, and trains as long as rank 0 does."""


class Join(Protocol):
    """Joins a rank to the others once it is prepared."""

    def __call__(self, device: torch.device) -> AbstractContextManager[Ranks]:
        """The ranks, in the block; ``device`` is the one that this rank trains on."""


@contextmanager
def training_ranks(
    count: int, *, device: torch.device, follow: Follow, alive: Callable[[], None] = lambda: None
) -> Iterator[Ranks]:
    """In the block this process is rank 0 of ``count``; the others run ``follow``.

    ``device`` is this rank's. ``alive`` is called while it waits for the others to be prepared.

    Raises:
        HicoError: another rank failed.
        LostRankError: another rank was killed.
    """
    if count == 1:
        yield ALONE
        return
    with tempfile.TemporaryDirectory(prefix="hico-ranks-") as folder:
        meeting = Path(folder) / "meeting"
        others = _OtherRanks(count, meeting=meeting, follow=follow)
        try:
            others.wait_until_prepared(alive)
            if device.type == "cuda":
                others.watch()
            with joined_ranks(number=0, count=count, device=device, meeting=meeting, lost=others.lost) as ranks:
                try:
                    yield ranks
                finally:
                    others.end()  # before they notice that this one leaves
        finally:
            others.end()


class _Other(NamedTuple):
    """Another rank: its process, and where it says that it is ready, or why it failed."""

    number: int
    process: BaseProcess
    words: Connection


class _OtherRanks:
    """Ranks 1 to ``count`` - 1, as processes of this one."""

    def __init__(self, count: int, *, meeting: Path, follow: Follow) -> None:
        context = multiprocessing.get_context("spawn")
        self._count = count
        self._others: list[_Other] = []
        self._ended = False
        for number in range(1, count):
            words, own = context.Pipe(duplex=False)
            process = context.Process(
                target=_run, args=(follow, number, count, meeting, own), name=f"rank {number}", daemon=True
            )
            process.start()
            own.close()
            self._others.append(_Other(number, process, words))

    def wait_until_prepared(self, alive: Callable[[], None]) -> None:
        """Waits until all are about to join: from then on none keeps the others waiting.

        Raises:
            HicoError: one failed or was killed.
        """
        waiting = list(self._others)
        while waiting:
            alive()
            said = multiprocessing.connection.wait([each.words for each in waiting], timeout=_LOOK_S)
            for each in [each for each in waiting if each.words in said]:
                words = _received(each)
                if words != _READY:
                    raise self._problem(each, words)
                waiting.remove(each)

    def watch(self) -> None:
        """Has an error end what this process waits for when another is lost, which NCCL itself does not notice."""

        def watched() -> None:
            lost = multiprocessing.connection.wait([each.process.sentinel for each in self._others])
            if not self._ended and any(e.process.sentinel in lost and e.process.exitcode for e in self._others):
                leave_ranks()

        threading.Thread(target=watched, name="other ranks", daemon=True).start()

    def lost(self) -> HicoError | None:
        """Why another rank was lost, if one was: asked after an error that this may have caused.

        Of several the killed one is named, as the others failed for want of it.
        """
        said = multiprocessing.connection.wait([each.words for each in self._others], timeout=_REASON_S)
        found = [(each, _received(each)) for each in self._others if each.words in said]
        found.sort(key=lambda one: (one[1] is not None, not isinstance(one[1], HicoError)))
        return self._problem(*found[0]) if found else None

    def end(self) -> None:
        """Ends the processes, which have nothing to save."""
        if self._ended:
            return
        self._ended = True
        for each in self._others:
            each.process.kill()
        for each in self._others:
            each.process.join()
            each.words.close()

    def _problem(self, other: _Other, words: object) -> HicoError:
        if isinstance(words, HicoError):
            return words
        other.process.join(_EXIT_S)
        code = other.process.exitcode or 0
        ended = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return LostRankError(
            Problem(
                rule=f"a run whose {self._count} processes all train until its end",
                value=f"process {other.number} {ended}" if words is None else f"process {other.number}: {words}",
                remedy="run the same command again: it goes on from the last checkpoint",
            )
        )


def _received(other: _Other) -> object:
    """What it said: that it is ready, its error, or a text of an error of another kind; None where it was killed."""
    try:
        return other.words.recv()
    except (EOFError, OSError):
        return None


def _run(follow: Follow, number: int, count: int, meeting: Path, words: Connection) -> None:
    """The process of another rank."""
    for each in SIGNALS:  # they are sent to the whole process group; rank 0 decides
        signal.signal(each, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()

    @contextmanager
    def join(device: torch.device) -> Iterator[Ranks]:
        words.send(_READY)
        with joined_ranks(number=number, count=count, device=device, meeting=meeting) as ranks, failure_said():
            yield ranks

    @contextmanager
    def failure_said() -> Iterator[None]:
        try:
            yield
        except HicoError as error:
            words.send(error)
            raise SystemExit(1) from error
        except Exception as error:
            words.send(f"{type(error).__name__}: {first_line(error)}")
            _log.exception("process %d of %d failed", number, count)
            raise SystemExit(1) from error

    with failure_said():
        follow(number=number, join=join)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
