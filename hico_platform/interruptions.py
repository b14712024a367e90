"""Signals that ask a command to end: SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 do what Ctrl-C does.

Whoever asks with SIGTERM kills after a while: ``docker stop`` after 10 s, Kubernetes and Slurm after 30, systemd after
90; ``sbatch --signal=USR1@300`` has Slurm say before a job's time is up. A search that is asked ends within
:data:`GRACE_S`: what it waits for on the way takes its time out of that.
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
SAME_WISH_S = 1.0
"""Signals so close are one: a closed terminal sends SIGHUP twice (kernel and shell), ``uv run`` passes Ctrl-C on."""
LAST_RESORT_S = 25.0
"""After so long the process ends whatever it waits for."""
AFTERWARDS_S = 1.5
"""How long the interpreter may take to end: a library's thread may wait for a server that answers nothing."""


class _Handler:
    """The handler of all these signals, from when they are first heeded until the process ends."""

    def __init__(self, leave: Callable[[int], object] | None) -> None:
        self._leave = leave
        self._before: dict[int, object] = {}
        self.asked_at_s: float | None = None
        self.event: threading.Event | None = None

    def install(self) -> None:
        """Heeds the signals; what is ignored (under nohup, say) stays ignored."""
        for number in SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, self):
                self._before.setdefault(number, signal.getsignal(number))
                signal.signal(number, self)

    def remove(self) -> None:
        """Puts the handlers back that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The first signal interrupts; a second one ends the process at once."""
        now_s = time.monotonic()
        if self.asked_at_s is None:
            self.asked_at_s = now_s
            if number == signal.SIGHUP:
                _replace_dead_streams()
            self.leave_after(LAST_RESORT_S)
            if self.event is None:
                raise KeyboardInterrupt
            self.event.set()
        elif now_s - self.asked_at_s > SAME_WISH_S:
            if self._leave is None:
                raise KeyboardInterrupt
            self._leave(EXIT_CODE)

    def leave_after(self, wait_s: float) -> None:
        """Ends the process after a while, unless it has ended by itself, or is another's."""
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
    the block for long. Where the process is not this package's, ``leave`` is none: a later signal then raises again,
    and nothing ends the process. Outside the main thread, and within such a block, nothing changes.
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
        if handler.asked_at_s is None or leave is None:
            handler.remove()
        else:
            handler.leave_after(AFTERWARDS_S)


@contextmanager
def interruptions_noted() -> Iterator[threading.Event]:
    """In the block these signals raise nothing: the first sets an event, for a loop that looks at it now and then.

    The event is not to be waited for in the main thread, where the handler runs.
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


def heed_again() -> None:
    """Puts the handlers back after a library has replaced them."""
    if threading.current_thread() is threading.main_thread():
        for handler in _active:
            handler.install()


def time_left_s(most: float, *, least: float = 1.0) -> float:
    """How long something may still take: ``most`` seconds, or what an interruption leaves of the grace."""
    asked_at_s = _active[0].asked_at_s if _active else None
    return most if asked_at_s is None else min(most, max(least, GRACE_S - (time.monotonic() - asked_at_s)))


def _replace_dead_streams() -> None:
    """Sends what is still to be written to a closed terminal nowhere, where it would be an error otherwise."""
    for number in (1, 2):
        try:
            poll = select.poll()
            poll.register(number, 0)
            if any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0)):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        except OSError:
            continue


def _forget_in_a_child() -> None:
    """A forked child ends as any process does."""
    while _active:
        _active.pop().remove()


os.register_at_fork(after_in_child=_forget_in_a_child)
