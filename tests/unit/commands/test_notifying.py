from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.commands.notifying import notifying, senders
from hico_platform.errors import HicoError, UsageError
from hico_platform.notify.senders import JsonSender
from tests.toy import toy_space
from tests.unit.notify.handmade import Received, web_receiver

SPACE = toy_space()


def titles(received: Received) -> list[str]:
    return [json.loads(body)["title"] for _, _, body in received.requests]


def watch(received: Received, home: Path) -> object:
    return notifying(SPACE, name="toy", home=home, senders=[JsonSender(url=received.url)], trials=())


def test_what_leaves_the_block_is_told_before_it_goes_on(tmp_path: Path) -> None:
    for error, told in ((KeyboardInterrupt(), "toy: interrupted"), (HicoError([]), "toy: failed")):
        with web_receiver() as received:
            with pytest.raises(type(error)), watch(received, tmp_path):  # type: ignore[attr-defined]
                raise error
            assert titles(received) == [told]


def test_without_addresses_nothing_watches(tmp_path: Path) -> None:
    with notifying(SPACE, name="toy", home=tmp_path, senders=(), trials=()) as watcher:
        assert watcher is None


def test_addresses_of_the_option_and_of_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKS", "https://example.org/hooks/a https://example.com/b")
    space = toy_space(notify=["env:HOOKS"])
    assert [sender.name for sender in senders(space, ["https://example.com/b"])] == [
        "https://example.com",
        "https://example.org",
    ]
    with pytest.raises(UsageError, match="notify: expected no command in a space file"):
        senders(toy_space(notify=["command:/bin/true"]), [])
