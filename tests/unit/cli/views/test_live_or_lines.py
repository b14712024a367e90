from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from hico_platform.cli.views import live_or_lines as module
from hico_platform.cli.views.live_or_lines import LiveOrLines
from hico_platform.cli.views.output import Output


class Shown:
    """Something that counts what is asked of it."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.drawn = 0
        self.showing = LiveOrLines(
            Output(console, quiet=quiet), render=self.render, beat=self.beat, on_interrupt=self.interrupted
        )

    def render(self) -> Text:
        self.drawn += 1
        return Text(f"picture {self.drawn}\n" * 30)

    def beat(self) -> None:
        """Prints nothing."""

    def interrupted(self) -> None:
        """Prints nothing."""


@pytest.fixture
def beating(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What beats, with what is said when it is interrupted, and ``ended`` when it no longer does."""
    found: list[Any] = []

    class Beating:
        def __init__(self, beat: Any, *, on_interrupt: Any) -> None:
            found.append((beat, on_interrupt))

        def __enter__(self) -> None:
            found.append("begun")

        def __exit__(self, *_: object) -> None:
            found.append("ended")

    monkeypatch.setattr(module, "Heartbeat", Beating)
    return found


def test_on_a_screen_a_picture_is_drawn_until_the_end_and_stays(beating: list[Any]) -> None:
    output = io.StringIO()
    shown = Shown(Console(file=output, force_terminal=True, width=40, height=8, color_system=None))
    shown.showing.begin()
    assert shown.showing.is_live
    before = shown.drawn
    assert before > 0
    output.truncate(0)
    shown.showing.end()
    assert shown.drawn > before, "it is drawn a last time"
    assert output.getvalue().count(f"picture {shown.drawn}") == 30, "whole, though it is higher than the screen"
    assert shown.showing.is_live, "lines would still be drawn over it"
    assert beating == []


def test_in_a_pipe_it_beats(beating: list[Any]) -> None:
    shown = Shown(Console(file=io.StringIO()))
    shown.showing.begin()
    assert beating == [(shown.beat, shown.interrupted), "begun"]
    assert not shown.showing.is_live
    shown.showing.end()
    assert beating[-1] == "ended"
    assert shown.drawn == 0


def test_where_progress_is_not_wanted_there_is_none(beating: list[Any]) -> None:
    output = io.StringIO()
    for terminal in (False, True):
        shown = Shown(Console(file=output, force_terminal=terminal), quiet=True)
        shown.showing.begin()
        shown.showing.end()
        assert (shown.drawn, shown.showing.is_live) == (0, False)
    assert (output.getvalue(), beating) == ("", [])
