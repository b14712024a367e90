from __future__ import annotations

import itertools

import pytest

from hico_platform.cli.views import heartbeat as module
from hico_platform.cli.views.heartbeat import Heartbeat, beats


def test_lines_come_ever_less_often() -> None:
    assert list(itertools.islice(beats(), 14)) == [10, 30, *range(60, 601, 60), 900, 1200]


class Hours:
    """A clock that is moved by waiting; the block ends after ``until_s``."""

    def __init__(self, until_s: float, *, step_s: float) -> None:
        self.now_s, self.until_s, self.step_s = 50.0, 50.0 + until_s, step_s

    def wait(self, seconds: float) -> bool:
        self.now_s += self.step_s
        return self.now_s >= self.until_s

    def run(self, **functions: object) -> list[float]:
        at_s: list[float] = []
        Heartbeat(lambda: at_s.append(self.now_s - 50), clock=lambda: self.now_s, wait=self.wait, **functions).run()
        return at_s


def test_each_is_called_once_when_it_is_due() -> None:
    assert Hours(200, step_s=1).run() == [10, 30, 60, 120, 180]


def test_what_was_slept_through_is_not_made_up_for() -> None:
    assert Hours(2000, step_s=700).run() == [700, 1400]


def test_an_interruption_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_interrupted", lambda: True)
    told: list[str] = []
    Hours(20, step_s=1).run(on_interrupt=lambda: told.append("interrupted"))
    assert told == ["interrupted"]
