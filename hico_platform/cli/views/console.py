"""Consoles on the standard streams, and what the terminal behind one can do."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console

_COLOUR_IN_A_PIPE = "FORCE_COLOR"


def console_on(file: TextIO, *, goes_on: bool = False) -> Console:
    """A console on a stream: a terminal where it is one, whatever variables say.

    ``NO_COLOR`` removes colours. ``FORCE_COLOR`` keeps them in a pipe, which is not redrawn all the same.
    Where the reader of a pipe goes away, what is printed goes nowhere if the work ``goes_on`` (a search's results
    are in its ledger); else that raises BrokenPipeError.
    """
    if file.isatty():
        return _Console(goes_on, file=file, force_terminal=None)
    wanted = os.environ.get(_COLOUR_IN_A_PIPE, "0") not in {"", "0"}
    return _Console(goes_on, file=file, force_terminal=False, color_system="standard" if wanted else None)


class _Console(Console):
    def __init__(self, goes_on: bool, **options: Any) -> None:
        super().__init__(**options)
        self._goes_on = goes_on

    def on_broken_pipe(self) -> None:
        """Rich would end the process, with exit code 1 and in silence."""
        if not self._goes_on:
            raise BrokenPipeError
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


@contextlib.contextmanager
def silent_signals() -> Iterator[None]:
    """In the block the terminal does not show ``^C`` where a picture is redrawn, which would shift its lines."""
    try:
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):  # no terminal
        yield
        return
    silent = [*before]
    silent[3] &= ~termios.ECHOCTL
    try:
        termios.tcsetattr(descriptor, termios.TCSANOW, silent)
        yield
    finally:
        with contextlib.suppress(OSError, termios.error):  # it was closed
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


def is_screen(console: Console) -> bool:
    """Whether lines can be redrawn: a terminal, and not a dumb one (``TERM=dumb``)."""
    return console.is_terminal and not console.is_dumb_terminal
