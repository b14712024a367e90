from __future__ import annotations

import pytest

from hico_platform.cli.views import data_progress as module
from hico_platform.cli.views.data_progress import DataProgress
from hico_platform.data.phases import DataPhase
from tests.unit.cli.views.test_progress_line import Clock, on_a_terminal, shown


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("time.monotonic", made)
    monkeypatch.setattr(module, "PhaseLine", lambda: _PHASE_LINE(timer=made))
    monkeypatch.setattr(DataProgress, "_tick", lambda self: None)  # the test ticks
    return made


_PHASE_LINE = module.PhaseLine


def work(clock: Clock, progress: DataProgress) -> None:
    with progress:
        for phase in (DataPhase.OPENING, DataPhase.FINDING):
            progress.phase(phase)
            for _ in range(12):
                clock.now_s += 1
                progress.tick()
        progress(0, 10)
        clock.now_s += 1
        progress(10, 10)
        progress.phase(DataPhase.COMPLETING)
        clock.now_s += 3
        progress.tick()


def test_a_terminal_shows_each_phase_with_its_time_and_the_bar_between(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    terminal = on_a_terminal(monkeypatch, 80)
    work(clock, DataProgress("reading"))
    lines = shown(terminal.getvalue())
    assert lines[0] == "opening the data (0:00)"
    assert "opening the data (0:12)" in lines
    assert "looking for recordings (0:12)" in lines
    assert any("reading: 10 of 10 (100%)" in line for line in lines)
    assert lines[-1] == "completing the store (0:03)"
    assert terminal.getvalue().endswith("\r\x1b[K"), "what comes next has the line for itself"


def test_a_log_names_a_phase_that_takes_long(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    work(clock, DataProgress("reading"))
    assert capsys.readouterr().err.splitlines() == [
        "opening the data (0:10)",
        "looking for recordings (0:10)",
        "reading: 10 of 10 (100%), 10/s, took 0:01",
    ]


def test_quiet_says_nothing_and_an_error_leaves_no_line(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    work(clock, DataProgress("reading", quiet=True))
    assert capsys.readouterr().err == ""
    terminal = on_a_terminal(monkeypatch, 80)
    with pytest.raises(ValueError, match="no"), DataProgress("reading"):
        raise ValueError("no")
    assert terminal.getvalue().endswith("\r\x1b[K")
