from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from hico_platform import interruptions
from hico_platform.interruptions import SIGNALS, interruptible, interruptions_noted, reinstall_handlers, time_left_s


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def ask(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_interrupts(number: int) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible(leave=lambda code: None):
        ask(number)


def test_signals_that_come_together_are_one_and_a_later_one_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    with interruptible(leave=left.append):
        with pytest.raises(KeyboardInterrupt):
            ask(signal.SIGHUP)
        ask(signal.SIGHUP)
        assert left == []
        monkeypatch.setattr(interruptions, "SAME_SIGNAL_S", -1.0)
        ask(signal.SIGTERM)
        assert left == [130]


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible(leave=None):
        ask(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_handlers_are_as_before_if_nobody_asked() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with interruptible(leave=None):
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_noted_for_a_loop_that_looks() -> None:
    with interruptible(leave=None), interruptions_noted() as interrupted:
        ask(signal.SIGTERM)
        assert interrupted.is_set()


def test_a_library_that_takes_the_signal_gives_it_back() -> None:
    with interruptible(leave=None), interruptions_noted() as interrupted:
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        reinstall_handlers()
        ask(signal.SIGTERM)
        assert interrupted.is_set()


def test_what_is_left_of_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    assert time_left_s(5.0) == 5.0
    with interruptible(leave=None), interruptions_noted():
        assert time_left_s(5.0) == 5.0
        ask(signal.SIGTERM)
        assert time_left_s(5.0) == 5.0
        now_s = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now_s + 5.5)
        assert time_left_s(5.0) == pytest.approx(interruptions.GRACE_S - 5.5, abs=0.2)
        monkeypatch.setattr(time, "monotonic", lambda: now_s + 60)
        assert time_left_s(5.0) == 1.0


def test_nothing_is_written_to_a_terminal_that_was_closed() -> None:
    """What is left of the output has nowhere to go, which is no error."""
    code = (
        "import os, signal, sys\n"
        "from hico_platform.interruptions import interruptible\n"
        "with interruptible():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGHUP)\n"
        "    except KeyboardInterrupt:\n"
        "        print('gone', flush=True)\n"
        "        sys.exit(130)\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], check=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (130, b"")
