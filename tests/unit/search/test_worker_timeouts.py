from __future__ import annotations

import pytest

from hico_platform.search.worker_timeouts import (
    MAX_LIMIT_S,
    MIN_LIMIT_S,
    STARTUP_LIMIT_S,
    Heartbeats,
    TaskAttempts,
    silence_limit_s,
)


@pytest.mark.parametrize(
    ("minutes", "epochs_s", "limit_s"),
    [
        (None, [], STARTUP_LIMIT_S),
        (None, [1.0, 2.0, 500.0], MIN_LIMIT_S),
        (None, [60.0, 30.0, 3600.0], 20 * 60.0),
        (None, [3600.0], MAX_LIMIT_S),
        (0.5, [3600.0], 30.0),
        (600.0, [], 36000.0),
    ],
)
def test_the_limit(minutes: float | None, epochs_s: list[float], limit_s: float) -> None:
    assert silence_limit_s(minutes, epochs_s) == limit_s


def look(attempts: TaskAttempts, *, count: int, seconds: float = 40.0, epochs_s: tuple[float, ...] = ()) -> list[str]:
    signs = {} if not count else {"a": Heartbeats(count=count, epochs_s=epochs_s)}
    return [found.reason for found in attempts.check(seconds, heartbeats=signs, workers={"a": False})]


def test_a_worker_that_stays_silent() -> None:
    attempts = TaskAttempts(silence_minutes=1)
    attempts.add("a")
    assert look(attempts, count=1) == look(attempts, count=2) == look(attempts, count=3) == []
    assert look(attempts, count=3) == ["silent for 80 s (the limit is 60 s)"]
    assert look(attempts, count=3) == [], "it is killed once; again after as long"
    assert look(attempts, count=3) == ["silent for 80 s (the limit is 60 s)"]


def test_a_report_is_a_sign_of_life() -> None:
    attempts = TaskAttempts(silence_minutes=1)
    attempts.add("a")
    for _ in range(4):
        attempts.message_received("a", epochs_s=[30.0])
        assert look(attempts, count=1) == []
    assert TaskAttempts().limit_s == STARTUP_LIMIT_S
    attempts = TaskAttempts()
    attempts.message_received("a", epochs_s=[30.0])
    assert attempts.limit_s == 600.0


def test_the_limit_follows_from_the_epochs_of_all_trials() -> None:
    attempts = TaskAttempts()
    attempts.add("a")
    look(attempts, count=1, epochs_s=(60.0,))
    assert attempts.limit_s == 1200.0


def test_one_that_waits_for_resources_is_not_silent() -> None:
    attempts = TaskAttempts(silence_minutes=1)
    attempts.add("a")
    assert attempts.check(10_000.0, heartbeats={}, workers={}) == []
    assert "a" in attempts


def test_a_new_process_has_longer_until_its_trial_begins() -> None:
    attempts = TaskAttempts(silence_minutes=1)
    attempts.add("a")
    assert attempts.check(STARTUP_LIMIT_S - 1, heartbeats={}, workers={"a": False}) == []
    assert len(attempts.check(2.0, heartbeats={}, workers={"a": False})) == 1
    attempts.add("b")
    assert len(attempts.check(61.0, heartbeats={}, workers={"b": True})) == 1, "one that worked before has not"


def test_a_trial_that_holds_its_worker_too_long() -> None:
    attempts = TaskAttempts(trial_hours=0.5)
    attempts.add("a")
    assert look(attempts, count=0, seconds=1000.0) == [], "it has not begun"
    assert look(attempts, count=1, seconds=1000.0) == []
    assert look(attempts, count=2, seconds=1000.0) == ["with one worker for more than resources.trial_hours, 0.5 h"]


def test_what_is_over_is_not_looked_at() -> None:
    attempts = TaskAttempts(silence_minutes=1)
    attempts.add("a")
    assert attempts.remove("a")
    assert not attempts.remove("a")
    assert look(attempts, count=0, seconds=1e6) == []
