"""Sends messages in the background: a search waits for none of them, and fails for none."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence

from hico_platform.notify.notification import Notification
from hico_platform.notify.senders import Sender, SendError

_log = logging.getLogger(__name__)
MOST_WAITING = 100
ATTEMPTS = 3
PAUSE_S = 2.0
"""Before the second attempt; twice as long before the third."""


class Delivery:
    """A thread for each address, which sends each message up to three times; one that hangs holds up no other.

    Args:
        senders: one for each address.
        pause_s: seconds before a second attempt.
    """

    def __init__(self, senders: Sequence[Sender], *, pause_s: float = PAUSE_S) -> None:
        self._addresses = [_Address(sender, pause_s=pause_s) for sender in senders]

    def submit(self, notification: Notification) -> None:
        """Queues one; to an address for which a hundred wait already it is dropped, and logged."""
        for address in self._addresses:
            address.submit(notification)

    def close(self, *, patience_s: float) -> bool:
        """Sends what waits, for at most so many seconds; returns whether all of it was tried."""
        until_s = time.monotonic() + patience_s
        for address in self._addresses:
            address.hurry()
        tried = [address.close(until_s=until_s) for address in self._addresses]
        return all(tried)


class _Address:
    """Sends to one address."""

    def __init__(self, sender: Sender, *, pause_s: float) -> None:
        self._sender = sender
        self._pause_s = pause_s
        self._waiting: queue.Queue[Notification | None] = queue.Queue(MOST_WAITING)
        self._hurry = threading.Event()
        self._warned = False
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
        self._thread.start()

    def submit(self, notification: Notification) -> None:
        try:
            self._waiting.put_nowait(notification)
        except queue.Full:
            _log.warning("a message to %s was dropped, as %d others wait to be sent", self._sender.name, MOST_WAITING)

    def hurry(self) -> None:
        """No pauses any more."""
        self._hurry.set()

    def close(self, *, until_s: float) -> bool:
        try:
            self._waiting.put(None, timeout=max(until_s - time.monotonic(), 0.0))
        except queue.Full:
            return False
        self._thread.join(max(until_s - time.monotonic(), 0.0))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (notification := self._waiting.get()) is not None:
            self._send(notification)

    def _send(self, notification: Notification) -> None:
        for attempt in range(ATTEMPTS):
            try:
                return self._sender.send(notification)
            except SendError as error:
                reason = str(error)
            except Exception as error:  # a service's own fault ends neither the search nor the other messages
                reason = type(error).__name__
            if attempt + 1 < ATTEMPTS:
                self._hurry.wait(self._pause_s * 2**attempt)
        level = logging.INFO if self._warned else logging.WARNING
        self._warned = True
        _log.log(level, "a message (%s) was not sent: %s", notification.occasion, reason)
        return None
