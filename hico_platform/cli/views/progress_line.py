"""A progress bar with rate and time left, on standard error."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import deque

from hico_platform.cli.views.clock import clock
from hico_platform.cli.views.heartbeat import beats

_EVERY_S = 0.2
_WINDOW_S = 30.0
_WIDEST_BAR = 20
_NARROWEST_BAR = 5


class ProgressLine:
    """Called with (done, total); rewrites one line on a terminal, and adds a line ever less often in a log.

    The rate is that of the last half minute, so that what an earlier run had done already does not count.
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._quiet = quiet
        self._start_s = time.monotonic()
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"} and not quiet
        self._due = beats()
        self._next_s = next(self._due)
        self._shown_s = self._start_s
        self._seen: deque[tuple[float, int]] = deque()
        if self._terminal:
            print(f"{what} ...", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Removes what is shown from a terminal, for something else to be shown there."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is, if it was not shown just now."""
        now = time.monotonic()
        is_due = now - self._shown_s >= _EVERY_S if self._terminal else now - self._start_s >= self._next_s
        if self._quiet or (done < total and not is_due and self._seen):
            return
        self._seen.append((now, done))  # the first call comes at once where an earlier run was resumed
        while now - self._seen[0][0] > _WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()
        if done < total and not is_due:
            return
        self._shown_s = now
        while now - self._start_s >= self._next_s:
            self._next_s = next(self._due)
        share = done / max(total, 1)
        line = f"{self._what}: {done:,} of {total:,} ({share:.0%}){self._speed(done, total, now)}"
        if not self._terminal:
            print(line, file=sys.stderr, flush=True)
            return
        columns = shutil.get_terminal_size().columns
        if done < total:
            line = line[: max(1, columns - 1)]  # one that wraps would not be rewritten whole
        room = min(_WIDEST_BAR, columns - len(line) - 4)
        if room >= _NARROWEST_BAR:
            line = f"[{'#' * round(share * room):-<{room}}] {line}"
        print(f"\r\x1b[K{line}", end="\n" if done >= total else "", file=sys.stderr, flush=True)

    def _speed(self, done: int, total: int, now: float) -> str:
        """Items a second, and the time left or, at the end, taken."""
        if done >= total:
            elapsed_s = now - self._start_s
            return f", {done / elapsed_s if elapsed_s else 0.0:,.0f}/s, took {clock(elapsed_s)}"
        since_s, before = self._seen[0]
        if done <= before or now <= since_s:
            return ""
        rate = (done - before) / (now - since_s)
        return f", {rate:,.0f}/s, {clock((total - done) / rate)} left"
