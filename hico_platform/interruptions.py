"""Signals that ask a command to end: SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 do what Ctrl-C does.

SIGTERM is followed by SIGKILL: ``docker stop`` sends it after 10 s, Kubernetes and Slurm after 30, systemd after 90;
with ``sbatch --signal=USR1@300`` Slurm sends a warning before a job's time limit. An interrupted search ends within
:data:`GRACE_S`; everything that it waits for while it ends shares that time.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
GRACE_S = 7.5
SAME_SIGNAL_S = 1.0
"""Signals within this time count as one: a closed terminal sends SIGHUP twice (kernel and shell), and ``uv run``
forwards Ctrl-C."""
LAST_RESORT_S = 25.0
"""After this time the process ends, whatever it is waiting for."""
AFTERWARDS_S = 1.5
"""Time for the interpreter to exit: a library's thread may be waiting for a server that does not answer."""


class _Handler:
    """The handler of all these signals, from its installation to the end of the process."""

    def __init__(self, leave: Callable[[int], object] | None) -> None:
        self._leave = leave
        self._before: dict[int, object] = {}
        self.interrupted_at_s: float | None = None
        self.event: threading.Event | None = None

    def install(self) -> None:
        """Installs the handler; a signal that is ignored (under nohup, for example) stays ignored."""
        for number in SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, self):
                self._before.setdefault(number, signal.getsignal(number))
                signal.signal(number, self)

    def remove(self) -> None:
        """Restores the previous handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The first signal interrupts; a second one ends the process at once."""
        now_s = time.monotonic()
        if self.interrupted_at_s is None:
            self.interrupted_at_s = now_s
            if number == signal.SIGHUP:
                _replace_dead_streams()
            self.leave_after(LAST_RESORT_S)
            if self.event is None:
                raise KeyboardInterrupt
            self.event.set()
        elif now_s - self.interrupted_at_s > SAME_SIGNAL_S:
            if self._leave is None:
                raise KeyboardInterrupt
            self._leave(EXIT_CODE)

    def leave_after(self, wait_s: float) -> None:
        """Ends the process after ``wait_s`` seconds, unless it ends before; does nothing in another program."""
        leave = self._leave
        if leave is None:
            return

        def end() -> None:
            time.sleep(wait_s)
            leave(EXIT_CODE)

        threading.Thread(target=end, name="last resort", daemon=True).start()


_active: list[_Handler] = []  # one at most


@contextmanager
def interruptible(*, leave: Callable[[int], object] | None = os._exit) -> Iterator[None]:
    """In the block the first of :data:`SIGNALS` raises KeyboardInterrupt in the main thread.

    A later one ends the process at once, with exit code 130, and after an interruption the process does not outlive
    the block for long. In a process of another program ``leave`` is None: a later signal then raises again, and
    nothing ends the process. Outside the main thread, and nested in another such block, this does nothing.
    """
    if _active or threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Handler(leave)
    _active.append(handler)
    handler.install()
    try:
        yield
    finally:
        _active.clear()
        if handler.interrupted_at_s is None or leave is None:
            handler.remove()
        else:
            handler.leave_after(AFTERWARDS_S)


@contextmanager
def interruptions_noted() -> Iterator[threading.Event]:
    """In the block these signals raise nothing: the first one sets an event, for a loop that polls it.

    Do not wait for the event in the main thread, because the handler runs there.
    """
    event = threading.Event()
    with interruptible(leave=None):
        if threading.current_thread() is not threading.main_thread():
            yield event
            return
        (handler,) = _active
        handler.event = event
        try:
            yield event
        finally:
            handler.event = None


def reinstall_handlers() -> None:
    """Installs the handlers again after a library has replaced them."""
    if threading.current_thread() is threading.main_thread():
        for handler in _active:
            handler.install()


def is_interrupted() -> bool:
    """Whether one of the signals has come: what is running now is on its way to an end."""
    return bool(_active) and _active[0].interrupted_at_s is not None


def time_left_s(most: float, *, least: float = 1.0) -> float:
    """Seconds that an operation may still take: ``most``, or what is left of the grace period after an interruption."""
    interrupted_at_s = _active[0].interrupted_at_s if _active else None
    return most if interrupted_at_s is None else min(most, max(least, GRACE_S - (time.monotonic() - interrupted_at_s)))


def _replace_dead_streams() -> None:
    """Redirects streams of a closed terminal to the null device, because writing to them would raise errors."""
    for number in (1, 2):
        try:
            poll = select.poll()
            poll.register(number, 0)
            if any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0)):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        except OSError:
            continue


def _restore_in_child() -> None:
    """Restores the previous handlers in a forked child, which ends like any other process."""
    while _active:
        _active.pop().remove()


os.register_at_fork(after_in_child=_restore_in_child)
