from __future__ import annotations

import threading

import pytest

from hico_platform.tracking.background import BackgroundLogger
from hico_platform.tracking.base import TrackingError, TrackingRefused
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.uploads import MOST_ANSWERS


def refuse(reason: str) -> None:
    raise TrackingRefused(reason)


class Logger(BackgroundLogger):
    """The parts that a logger uses."""

    def __init__(self, **outboxes: Outbox) -> None:
        super().__init__(**outboxes)
        self.metrics, self.files = self._outbox, self._uploads

    def close(self, *, patience_s: float = 5.0, at_most_s: float = float("inf")) -> tuple[int, int]:
        """Writes that were given up: of metrics and of uploads."""
        self._hurry(patience_s=patience_s, at_most_s=at_most_s)
        return self.metrics.close(patience_s=patience_s), self.files.close(patience_s=patience_s)


def test_refusals_of_both_outboxes_are_counted_and_that_of_a_metric_is_named_first() -> None:
    logger = Logger()
    logger.files.submit(lambda: refuse("too large"))
    logger.files.submit(lambda: None)
    assert logger.close() == (0, 0)
    assert (logger.refused, logger.refusal) == (1, "too large")
    both = Logger()
    both.files.submit(lambda: refuse("too large"))
    both.metrics.submit(lambda: refuse("not a number"))
    assert both.close() == (0, 0)
    assert (both.refused, both.refusal) == (2, "not a number")


def test_nothing_was_refused() -> None:
    logger = Logger()
    assert (logger.refused, logger.refusal) == (0, None)
    logger.close()


def test_a_slow_upload_delays_no_metric() -> None:
    logger, written, uploaded = Logger(), threading.Event(), threading.Event()
    logger.files.submit(lambda: uploaded.wait(5) and None)
    logger.metrics.submit(written.set)
    assert written.wait(5)
    uploaded.set()
    logger.close()


def test_an_upload_that_a_server_keeps_failing_is_refused_and_a_metric_never_is() -> None:
    logger = Logger(uploads=None, outbox=Outbox(first_wait_s=0.001))
    calls = []

    def fail() -> None:
        calls.append(1)
        raise TrackingError("500", answered=True)

    logger.files._first_wait_s = 0.001
    logger.files.submit(fail)
    assert logger.close() == (0, 0)
    assert (len(calls), logger.refused) == (MOST_ANSWERS, 1)
    logger = Logger(outbox=Outbox(first_wait_s=0.001))
    logger.metrics.submit(fail)
    assert logger.close(patience_s=0.05) == (1, 0)
    assert logger.refused == 0


@pytest.mark.parametrize("which", ["outbox", "uploads"])
def test_both_are_closed_by_one_deadline(which: str) -> None:
    logger = Logger(**{which: Outbox(first_wait_s=0.001)})

    def fail() -> None:
        raise TrackingError("away")

    (logger.metrics if which == "outbox" else logger.files).submit(fail)
    assert logger.close(patience_s=0.0) == ((1, 0) if which == "outbox" else (0, 1))
