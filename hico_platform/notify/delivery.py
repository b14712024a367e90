"""Sends messages in the background: a search waits for none of them, and fails for none."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence

from hico_platform.notify.notification import Notification
from hico_platform.notify.senders import Sender, SendError

_log = logging.getLogger(__name__)
MOST_WAITING = 100
ATTEMPTS = 3
PAUSE_S = 2.0
"""Before the second attempt; twice as long before the third."""


class Delivery:
    """A thread that sends to all addresses, each message up to three times.

    Args:
        senders: one for each address.
        pause_s: seconds before a second attempt.
    """

    def __init__(self, senders: Sequence[Sender], *, pause_s: float = PAUSE_S) -> None:
        self._senders = senders
        self._pause_s = pause_s
        self._waiting: queue.Queue[Notification | None] = queue.Queue(MOST_WAITING)
        self._hurry = threading.Event()
        self._warned: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
        self._thread.start()

    def submit(self, notification: Notification) -> None:
        """Queues one; where a hundred wait already, it is dropped and logged."""
        try:
            self._waiting.put_nowait(notification)
        except queue.Full:
            _log.warning("a message was dropped, as %d others wait to be sent", MOST_WAITING)

    def close(self, *, patience_s: float) -> bool:
        """Sends what waits, for at most so many seconds; returns whether all of it was tried."""
        self._hurry.set()  # no pauses any more
        try:
            self._waiting.put(None, timeout=patience_s)
        except queue.Full:
            return False
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (notification := self._waiting.get()) is not None:
            for sender in self._senders:
                self._send(sender, notification)

    def _send(self, sender: Sender, notification: Notification) -> None:
        for attempt in range(ATTEMPTS):
            try:
                return sender.send(notification)
            except SendError as error:
                reason = str(error)
            except Exception as error:  # a service's own fault ends neither the search nor the other messages
                reason = type(error).__name__
            if attempt + 1 < ATTEMPTS:
                self._hurry.wait(self._pause_s * 2**attempt)
        level = logging.INFO if sender.name in self._warned else logging.WARNING
        self._warned.add(sender.name)
        _log.log(level, "a message (%s) was not sent: %s", notification.occasion, reason)
        return None
