"""Where the words of a long command go: to the screen or a pipe, and with their times to its log."""

from __future__ import annotations

import contextlib
import logging
import sys
import textwrap
import traceback
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.text import Text

from hico_platform.cli.terminal import folded, plain_line
from hico_platform.cli.views.console import is_screen
from hico_platform.cli.views.run_log import RunLog
from hico_platform.errors import HicoError

_PACKAGE_LOGGER = logging.getLogger("hico_platform")
_STEERING = "hico_platform.search.steering"
"""Says which requests were obeyed, as information."""


class Output:
    """Prints progress, warnings and results, and keeps all of it in a log.

    In the block, warnings of this package are printed and logged too, and the error that ends it is logged.

    Args:
        console: where progress and results are printed; warnings go to standard error.
        quiet: progress is not printed.
        log: gets every line, printed or not; by default one that is never opened.
    """

    def __init__(self, console: Console, *, quiet: bool = False, log: RunLog | None = None) -> None:
        self.console = console
        self.quiet = quiet
        self.log = log or RunLog()
        self._warnings = _Warnings(self)

    @property
    def is_live(self) -> bool:
        """Whether progress is a picture that is redrawn, rather than lines."""
        return is_screen(self.console) and not self.quiet

    def say(self, line: str, *, style: str | None = None) -> None:
        """Progress."""
        self.note(line)
        if not self.quiet:
            self._print(line, style=style)

    def note(self, line: str) -> None:
        """Progress that only the log keeps."""
        self.log.write(plain_line(line))

    def tell(self, line: str, *, style: str | None = None) -> None:
        """A part of the result."""
        if line.strip():
            self.note(line)
        self._print(line, style=style)

    def tell_command(self, label: str, command: str) -> None:
        """A command to copy: whole in a pipe, and on a narrow terminal folded before an option by a backslash."""
        self.note(f"{label}: {command}")
        for line in folded(label, command, width=self.console.width if self.console.is_terminal else None):
            self.console.print(Text(line), soft_wrap=True)

    def warn(self, line: str) -> None:
        """A warning, which is printed also where progress is not."""
        self.log.write(plain_line(line), level=logging.WARNING)
        with contextlib.suppress(OSError):
            print(f"warning: {plain_line(line)}", file=sys.stderr, flush=True)

    def open_log(self, path: Path) -> None:
        """Begins to write the log to a file, and says where; called once this process holds the folder's lock.

        Called again it does nothing: a search that is extended or given a point begins anew for its views.
        """
        if self.log.path is None and self.log.open(path):
            self.say(f"log {path}", style="dim")

    def _print(self, line: str, *, style: str | None) -> None:
        text = plain_line(line)
        pieces = [text]
        if self.console.is_terminal and len(text) > self.console.width:
            indent = " " * (len(text) - len(text.lstrip()))
            pieces = textwrap.wrap(
                text.strip(), self.console.width, initial_indent=indent, subsequent_indent=f"{indent}  ",
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
        for piece in pieces:
            self.console.print(Text(piece, style=style or ""), soft_wrap=True)

    def __enter__(self) -> Output:
        """Takes over this package's warnings."""
        _PACKAGE_LOGGER.addHandler(self._warnings)
        logging.getLogger(_STEERING).setLevel(logging.INFO)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keeps in the log why the command ended."""
        _PACKAGE_LOGGER.removeHandler(self._warnings)
        logging.getLogger(_STEERING).setLevel(logging.NOTSET)
        if isinstance(error, KeyboardInterrupt):
            self.log.write(" ".join(["interrupted", *map(str, error.args)]), level=logging.WARNING)
        elif error is not None:
            lines = traceback.format_exception(error) if not isinstance(error, HicoError) else [str(error)]
            for line in "".join(lines).splitlines():
                self.log.write(plain_line(line), level=logging.ERROR)
        self.log.close()


class _Warnings(logging.Handler):
    """Shows warnings as such, and what a search was asked and did as a line of its progress."""

    def __init__(self, output: Output) -> None:
        super().__init__(logging.INFO)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._output.warn(record.getMessage())
        elif record.name == _STEERING:
            self._output.say(record.getMessage())
