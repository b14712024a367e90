"""A progress line with rate and time left, on standard error."""

from __future__ import annotations

import sys
import time

_EVERY_S = 0.2
_EVERY_S_IN_A_FILE = 15.0


class ProgressLine:
    """Called with (done, total); rewrites one line on a terminal, and adds a line now and then in a log."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start_s = time.monotonic()
        self._shown_s = self._start_s
        self._terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is, if it was not shown just now."""
        now = time.monotonic()
        every = _EVERY_S if self._terminal else _EVERY_S_IN_A_FILE
        if done < total and now - self._shown_s < every:
            return
        self._shown_s = now
        elapsed_s = now - self._start_s
        rate = done / elapsed_s if elapsed_s else 0.0
        left = f"{_clock((total - done) / rate)} left" if rate and done < total else f"took {_clock(elapsed_s)}"
        line = f"{self._what}: {done:,} of {total:,} ({done / max(total, 1):.0%}), {rate:,.0f}/s, {left}"
        end = "\n" if not self._terminal or done >= total else ""
        print(f"\r\x1b[K{line}" if self._terminal else line, end=end, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
