"""What a command of ``data`` does from its first second to its last: phases with their time, and a bar between them."""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import Self

from hico_platform.cli.views.heartbeat import beats
from hico_platform.cli.views.phase_line import PhaseLine
from hico_platform.cli.views.progress_line import ProgressLine
from hico_platform.data.phases import DataPhase

_EVERY_S = 1.0
_CLEAR = "\r\x1b[K"


class DataProgress:
    """Called with (done, total) while recordings are counted; ``phase`` names what goes on otherwise.

    A phase is shown on a terminal with the time that it has taken, and in a log once it takes long.

    Args:
        what: what is done with recordings, such as ``reading``.
        quiet: shows nothing.
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what, self._quiet = what, quiet
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}
        self._line: ProgressLine | None = None
        self._phase = PhaseLine()
        self._due = beats()
        self._next_s = 0.0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="phases", daemon=True)

    def __enter__(self) -> Self:
        """Shows what goes on from here."""
        self.phase(DataPhase.OPENING)
        if not self._quiet:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Removes the phase that is shown, before a result or an error is."""
        self._over.set()
        with self._lock:
            self._end_phase()

    def phase(self, phase: DataPhase) -> None:
        """From here on this is what goes on."""
        with self._lock:
            if self._phase.begin(phase):
                self._due = beats()
                self._next_s = next(self._due)
                self._show()

    def __call__(self, done: int, total: int) -> None:
        """So many recordings are done."""
        with self._lock:
            self._end_phase()
            if self._line is None:
                self._line = ProgressLine(self._what, quiet=self._quiet)
            self._line(done, total)

    def tick(self) -> None:
        """Shows how long the phase has taken, where it is time."""
        with self._lock:
            self._show()

    def _show(self) -> None:
        if self._quiet or not self._phase.name:
            return
        if self._terminal:
            print(f"{_CLEAR}{self._phase}", end="", file=sys.stderr, flush=True)
        elif self._phase.elapsed_s >= self._next_s:
            self._next_s = next(self._due)
            print(self._phase, file=sys.stderr, flush=True)

    def _end_phase(self) -> None:
        if self._phase.name and self._terminal and not self._quiet:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        self._phase.end()

    def _tick(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.tick()
