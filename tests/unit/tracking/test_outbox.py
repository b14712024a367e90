from __future__ import annotations

import threading
import time

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
    assert outbox.behind_s > 0
    store.away.clear()
    assert outbox.close(patience_s=5) == 0
    assert store.taken == [0, 1, 2, 3, 4]
    assert (outbox.trouble, outbox.behind_s) == (None, 0)


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


def refuse(reason: str = "no") -> None:
    raise TrackingRefused(reason)


def test_refusals_are_counted_with_the_first_reason(caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox()
    for number in range(30):
        outbox.submit(lambda number=number: refuse("first" if number == 0 else "again"))
    assert outbox.close(patience_s=5) == 0
    assert (outbox.refused, outbox.refusal) == (30, "first")
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["first", "again"]


def test_a_refused_part_of_a_write_is_counted_and_the_next_part_is_made() -> None:
    store, outbox = Store(), Outbox()

    def write() -> None:
        for number in range(3):
            with outbox.leaving_out_what_is_refused():
                if number == 1:
                    refuse()
                store.write(number)

    outbox.submit(write)
    assert outbox.close(patience_s=5) == 0
    assert (store.taken, outbox.refused) == ([0, 2], 1)


@pytest.mark.parametrize(("answered", "taken", "refused"), [(True, [1], 1), (False, [], 0)])
def test_a_server_that_always_answers_with_an_error_refuses_an_upload(
    answered: bool, taken: list[int], refused: int
) -> None:
    def fail() -> None:
        raise TrackingError("HTTP 500", answered=answered)

    store, outbox = Store(), Outbox(first_wait_s=0.001, most_answers=3)
    outbox.submit(fail)
    outbox.submit(lambda: store.write(1))
    outbox.close(patience_s=0.05)
    assert (store.taken, outbox.refused) == (taken, refused)


def test_the_end_comes_even_in_the_middle_of_a_write() -> None:
    hanging = threading.Event()
    outbox = Outbox()
    outbox.submit(lambda: bool(hanging.wait(60)) and None)
    outbox.submit(lambda: None)
    assert outbox.close(patience_s=60, at_most_s=0.05) == 2
    hanging.set()


def test_a_line_that_takes_something_now_and_then_ends_in_time() -> None:
    store, outbox = Store(), Outbox(first_wait_s=0.001)
    for number in range(1000):
        outbox.submit(lambda number=number: (time.sleep(0.01), store.write(number)))
    assert outbox.close(patience_s=60, at_most_s=0.1) > 0
    assert store.taken == list(range(len(store.taken)))
