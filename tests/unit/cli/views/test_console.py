from __future__ import annotations

import io
import os
import termios

import pytest
from rich.console import Console

from hico_platform.cli.views.console import console_on, is_screen, silent_signals


def test_a_pipe_is_no_terminal_whatever_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert Console(file=io.StringIO()).is_terminal
    assert not console_on(io.StringIO()).is_terminal


def test_colours_are_kept_in_a_pipe_where_they_are_forced_and_nowhere_with_no_color(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shown() -> str:
        output = io.StringIO()
        console_on(output).print("stopped", style="yellow")
        return output.getvalue()

    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert shown() == "stopped\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shown() == "\x1b[33mstopped\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown() == "stopped\n"


def test_a_terminal_is_a_screen_unless_it_is_a_dumb_one(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = os.openpty()
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with os.fdopen(follower, "w", closefd=False) as terminal:
        monkeypatch.setenv("TERM", "xterm")
        assert is_screen(console_on(terminal))
        monkeypatch.setenv("TERM", "dumb")
        assert not is_screen(console_on(terminal))
    os.close(leader)
    os.close(follower)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not is_screen(console_on(io.StringIO()))


class TestBrokenPipe:
    def console(self, *, goes_on: bool) -> Console:
        """On a pipe whose reader has gone."""
        reader, writer = os.pipe()
        os.close(reader)
        return console_on(os.fdopen(writer, "w"), goes_on=goes_on)

    def test_a_search_goes_on_without_its_output(self) -> None:
        console = self.console(goes_on=True)
        for _ in range(3):
            console.print("trial 0 begins")

    def test_what_only_shows_something_ends(self) -> None:
        with pytest.raises(BrokenPipeError):
            self.console(goes_on=False).print("a line")


def test_ctrl_c_is_not_echoed_into_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = os.openpty()

    def echoes() -> bool:
        return bool(termios.tcgetattr(follower)[3] & termios.ECHOCTL)

    before = echoes()
    with os.fdopen(follower, "r", closefd=False) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with silent_signals():
            assert not echoes()
        assert echoes() == before
    os.close(leader)
    os.close(follower)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with silent_signals():
        pass
