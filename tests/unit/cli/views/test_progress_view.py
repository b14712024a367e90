from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from hico_platform.cli.views.progress_view import ProgressView


class View(ProgressView):
    """A view of one bar."""

    def __init__(self) -> None:
        self.screen = io.StringIO()
        self._progress = Progress(console=Console(file=self.screen, force_terminal=True, width=80))
        self.bar = self._progress.add_task("work", total=4)

    @property
    def is_live(self) -> bool:
        return self._progress.live.is_started

    def advance(self) -> None:
        self._progress.update(self.bar, advance=2)


def test_bars_are_live_inside_and_their_last_state_stays() -> None:
    view = View()
    assert not view.is_live
    with view as entered:
        assert entered is view
        assert view.is_live
        view.advance()
    assert not view.is_live
    assert "50%" in view.screen.getvalue()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_inside_ends_the_bars_and_passes(error: type[BaseException]) -> None:
    view = View()
    with pytest.raises(error), view:
        raise error
    assert not view.is_live
