from __future__ import annotations

import io
import os
import sys

import pytest

from hico_platform.cli.views.progress_line import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("hico_platform.cli.views.progress_line.time.monotonic", made)
    return made


def steps(clock: Clock, line: ProgressLine, *counts: int, total: int = 1000, every_s: float = 1.0) -> None:
    for done in counts:
        line(done, total)
        clock.now_s += every_s


def shown(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\r\x1b[K", "\n").split("\n") if line.strip()]


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    if os.environ.get("TERM") != "dumb":
        monkeypatch.setenv("TERM", "xterm")
    return terminal


def test_a_terminal_shows_a_bar_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    terminal = on_a_terminal(monkeypatch, 80)
    steps(clock, ProgressLine("reading"), 0, 100, 200, 1000)
    first, _, third, last = shown(terminal.getvalue())
    assert first == "reading ..."
    assert third == f"[{'#' * 4}{'-' * 16}] reading: 200 of 1,000 (20%), 100/s, 0:08 left"
    assert last == f"[{'#' * 20}] reading: 1,000 of 1,000 (100%), 333/s, took 0:03"
    assert terminal.getvalue().endswith("\n")


def test_a_narrow_terminal_has_no_bar(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    terminal = on_a_terminal(monkeypatch, 40)
    steps(clock, ProgressLine("reading"), 0, 100, 200)
    assert shown(terminal.getvalue())[-1].startswith("reading: 200 of 1,000")
    assert max(map(len, shown(terminal.getvalue())[1:])) < 40, "a line that wraps is not rewritten whole"


def test_what_was_done_before_does_not_count_as_fast(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    terminal = on_a_terminal(monkeypatch, 80)
    line = ProgressLine("reading")
    steps(clock, line, 0, 800, every_s=0.01)
    steps(clock, line, *range(801, 860))
    assert shown(terminal.getvalue())[-1].endswith("reading: 859 of 1,000 (86%), 1/s, 2:21 left")


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    steps(clock, ProgressLine("reading"), *range(0, 1001, 20))
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "reading: 200 of 1,000 (20%), 20/s, 0:40 left",
        "reading: 600 of 1,000 (60%), 20/s, 0:20 left",
        "reading: 1,000 of 1,000 (100%), 20/s, took 0:50",
    ]


def test_a_terminal_that_cannot_be_rewritten_gets_lines(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = on_a_terminal(monkeypatch, 80)
    steps(clock, ProgressLine("reading"), *range(0, 1001, 20))
    assert len(terminal.getvalue().splitlines()) == 3
    assert "\r" not in terminal.getvalue()


def test_a_line_makes_room_for_another_picture(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    terminal = on_a_terminal(monkeypatch, 80)
    ProgressLine("loading libraries").clear()
    assert terminal.getvalue() == "loading libraries ...\r\x1b[K"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    steps(clock, ProgressLine("reading", quiet=True), *range(0, 1001, 20))
    assert capsys.readouterr().err == ""
