from __future__ import annotations

import logging
import threading

import pytest

from hico_platform.errors import Problem
from hico_platform.notify import delivery as module
from hico_platform.notify.delivery import Delivery
from hico_platform.notify.notification import Notification
from hico_platform.notify.senders import SendError
from tests.unit.notify.handmade import notification

PATIENCE_S = 30.0


class Spoken:
    """A sender that fails as often as told."""

    def __init__(self, name: str = "spoken", *, failures: int = 0) -> None:
        self.name, self.failures = name, failures
        self.sent: list[Notification] = []

    def send(self, notification: Notification) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise SendError(
                Problem(field=self.name, rule="a message that is taken", value="HTTP status 503", remedy=None)
            )
        self.sent.append(notification)


def test_all_get_what_was_submitted_in_order() -> None:
    first, second = Spoken(), Spoken()
    delivery = Delivery([first, second], pause_s=0.0)
    for title in ("one", "two"):
        delivery.submit(notification(title=title))
    assert delivery.close(patience_s=PATIENCE_S)
    assert [[told.title for told in sender.sent] for sender in (first, second)] == [["one", "two"]] * 2


def test_a_message_is_tried_again_and_given_up_after_three_times(caplog: pytest.LogCaptureFixture) -> None:
    slow, away, other = Spoken("slow", failures=2), Spoken("away", failures=99), Spoken("other")
    delivery = Delivery([slow, away, other], pause_s=0.0)
    delivery.submit(notification())
    delivery.submit(notification())
    assert delivery.close(patience_s=PATIENCE_S)
    assert (len(slow.sent), len(away.sent), len(other.sent)) == (2, 0, 2)
    assert 99 - away.failures == 6
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1, "each address is warned of once"
    assert "a message (new_best) was not sent: away: expected a message that is taken" in warned[0]


def test_a_fault_of_a_sender_does_not_end_the_others() -> None:
    class Faulty(Spoken):
        def send(self, notification: Notification) -> None:
            raise ZeroDivisionError

    other = Spoken()
    delivery = Delivery([Faulty(), other], pause_s=0.0)
    delivery.submit(notification())
    assert delivery.close(patience_s=PATIENCE_S)
    assert len(other.sent) == 1


def test_nobody_waits_for_a_sender_that_hangs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    let_go = threading.Event()

    class Hanging(Spoken):
        def send(self, notification: Notification) -> None:
            let_go.wait()

    delivery = Delivery([Hanging()])
    for _ in range(5):
        delivery.submit(notification())
    assert "a message to spoken was dropped" in caplog.text
    assert not delivery.close(patience_s=0.01)
    let_go.set()


def test_an_address_that_hangs_holds_up_no_other() -> None:
    let_go, told = threading.Event(), threading.Event()

    class Hanging(Spoken):
        def send(self, notification: Notification) -> None:
            let_go.wait()

    class Told(Spoken):
        def send(self, notification: Notification) -> None:
            told.set()

    delivery = Delivery([Hanging(), Told()])
    delivery.submit(notification())
    assert told.wait(PATIENCE_S)
    assert not delivery.close(patience_s=0.01)
    let_go.set()
