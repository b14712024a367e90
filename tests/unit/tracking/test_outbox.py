from __future__ import annotations

import threading

import pytest

from hico_platform.tracking.base import TrackingError, TrackingRefused
from hico_platform.tracking.outbox import Outbox


class Store:
    """Takes numbers; fails as long as it is away."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.tried = threading.Event()
        self.away = threading.Event()

    def write(self, number: int) -> None:
        self.tried.set()
        if self.away.is_set():
            raise TrackingError("away")
        self.taken.append(number)


def test_writes_arrive_in_order() -> None:
    store, outbox = Store(), Outbox()
    for number in range(50):
        outbox.submit(lambda number=number: store.write(number))
    assert outbox.close(patience_s=5) == 0
    assert store.taken == list(range(50))


def test_a_store_that_comes_back_gets_everything_in_order() -> None:
    store, outbox = Store(), Outbox(first_wait_s=0.001)
    store.away.set()
    for number in range(5):
        outbox.submit(lambda number=number: store.write(number))
    store.tried.wait(5)
    while outbox.trouble is None:
        pass
    assert (outbox.trouble, outbox.waiting) == ("away", 5)
    store.away.clear()
    assert outbox.close(patience_s=5) == 0
    assert store.taken == [0, 1, 2, 3, 4]
    assert outbox.trouble is None


def test_a_store_that_stays_away_is_given_up() -> None:
    store, outbox = Store(), Outbox(first_wait_s=0.001)
    store.away.set()
    for number in range(3):
        outbox.submit(lambda number=number: store.write(number))
    assert outbox.close(patience_s=0.05) == 3
    assert store.taken == []


def test_a_full_line_says_so() -> None:
    store, outbox = Store(), Outbox(first_wait_s=0.001, most_waiting=2)
    store.away.set()
    filled = []
    for number in range(3):
        filled.append(outbox.is_full)
        outbox.submit(lambda number=number: store.write(number))
    assert filled == [False, False, True]
    store.away.clear()
    assert outbox.close(patience_s=5) == 0
    assert store.taken == [0, 1, 2]


def test_a_refused_write_does_not_hold_up_the_rest() -> None:
    def refuse() -> None:
        raise TrackingRefused("no")

    store, outbox = Store(), Outbox()
    outbox.submit(refuse)
    outbox.submit(lambda: store.write(1))
    assert outbox.close(patience_s=5) == 0
    assert store.taken == [1]


def test_a_mistake_of_ours_comes_out() -> None:
    def mistake() -> None:
        raise KeyError("mine")

    outbox = Outbox()
    outbox.submit(mistake)
    with pytest.raises(KeyError, match="mine"):
        outbox.close(patience_s=5)
