from __future__ import annotations

from hico_platform.notify.notification import Occasion
from tests.unit.notify.handmade import notification


def test_plain_values() -> None:
    assert notification().as_dict() == {
        "type": "hico_platform.search.new_best",
        "search": "toy",
        "machine": "here",
        "time": 1_700_000_000.0,
        "title": "toy: new best knn_top1 0.500",
        "text": "Watch it: hico-platform status toy",
        "facts": {"trial": 3, "value": 0.5},
    }


def test_no_secret_is_told() -> None:
    text = "cannot reach postgresql://me:s3cr3tword@host/db"
    told = notification(occasion=Occasion.FAILED, title=text, text=text, facts={"reason": text}).as_dict()
    assert "s3cr3tword" not in str(told)
    assert told["text"] == "cannot reach postgresql://me:***@host/db"
