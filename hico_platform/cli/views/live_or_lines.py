"""What shows progress: a picture that is drawn again and again on a screen, or a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from rich.console import RenderableType
from rich.live import Live

from hico_platform.cli.views.console import silent_signals
from hico_platform.cli.views.heartbeat import Heartbeat
from hico_platform.cli.views.output import Output

REDRAWN_A_SECOND = 2


class LiveOrLines:
    """Begins and ends either; shows nothing where progress is not to be printed.

    Args:
        output: where it is shown.
        render: makes the picture.
        beat: prints a line for the whole.
        on_interrupt: prints one when Ctrl-C was pressed; a picture says it itself.
    """

    def __init__(
        self,
        output: Output,
        *,
        render: Callable[[], RenderableType],
        beat: Callable[[], None],
        on_interrupt: Callable[[], None],
    ) -> None:
        self._output = output
        self._render, self._beat, self._on_interrupt = render, beat, on_interrupt
        self._stack = ExitStack()
        self.is_live = False
        """Whether it is, or was, a picture: then lines would be drawn over it."""

    def begin(self) -> None:
        """Shows it from here on."""
        if self._output.is_live:
            self._stack.enter_context(silent_signals())
            self._stack.enter_context(
                Live(
                    console=self._output.console,
                    get_renderable=self._render,
                    refresh_per_second=REDRAWN_A_SECOND,
                    vertical_overflow="crop",
                )
            )
            self.is_live = True
        elif not self._output.quiet:
            self._stack.enter_context(Heartbeat(self._beat, on_interrupt=self._on_interrupt))

    def end(self) -> None:
        """Draws the picture a last time, and leaves it on the screen."""
        self._stack.close()
