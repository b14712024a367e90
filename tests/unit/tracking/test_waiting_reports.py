from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from hico_platform.search.ledger.base import ReportRecord
from hico_platform.tracking.base import TrackingError, TrackingRefused
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.waiting_reports import WaitingReports
from tests.unit.search.ledger.contract import report


class Store:
    """Takes reports, but no negative value."""

    def __init__(self) -> None:
        self.requests: list[tuple[int, ...]] = []
        self.away = False
        self.meanwhile: Callable[[], None] = lambda: None

    def write(self, number: int, reports: Sequence[ReportRecord]) -> None:
        self.meanwhile()
        if self.away:
            raise TrackingError("away")
        if any(one.value < 0 for one in reports):
            raise TrackingRefused("no negative value")
        self.requests.append((number, *(one.epoch for one in reports)))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def waiting(store: Store, outbox: Outbox) -> WaitingReports:
    return WaitingReports(store.write, leaving_out=outbox.leaving_out_what_is_refused)


def test_a_report_is_a_request_while_the_store_keeps_up(store: Store, waiting: WaitingReports) -> None:
    for epoch in (1, 2):
        waiting.add(0, report(epoch, 0.5))
        waiting.write(0)
    assert store.requests == [(0, 1), (0, 2)]


def test_those_of_a_trial_that_wait_are_one_request(store: Store, waiting: WaitingReports) -> None:
    for epoch in (1, 2, 3):
        waiting.add(0, report(epoch, 0.5))
        waiting.add(1, report(epoch, 0.5))
    for number in (0, 1, 0, 1, 0, 1):
        waiting.write(number)
    assert store.requests == [(0, 1, 2, 3), (1, 1, 2, 3)]


def test_a_report_that_comes_during_a_write_is_the_next(store: Store, waiting: WaitingReports) -> None:
    waiting.add(0, report(1, 0.5))
    store.meanwhile = lambda: waiting.add(0, report(2, 0.5))
    waiting.write(0)
    store.meanwhile = lambda: None
    waiting.write(0)
    assert store.requests == [(0, 1), (0, 2)]


def test_a_store_that_comes_back_gets_all_of_it_in_order(store: Store, waiting: WaitingReports) -> None:
    waiting.add(0, report(1, 0.5))
    store.away = True
    with pytest.raises(TrackingError):
        waiting.write(0)
    waiting.add(0, report(2, 0.5))
    store.away = False
    waiting.write(0)
    assert store.requests == [(0, 1, 2)]


def test_one_that_is_refused_takes_no_other_along(store: Store, waiting: WaitingReports, outbox: Outbox) -> None:
    for epoch, value in ((1, 0.5), (2, -1.0), (3, 0.5)):
        waiting.add(0, report(epoch, value))
    waiting.write(0)
    waiting.write(0)
    assert (store.requests, outbox.refused) == ([(0, 1), (0, 3)], 1)
    waiting.add(0, report(4, -1.0))
    with pytest.raises(TrackingRefused):
        waiting.write(0)
    waiting.write(0)
