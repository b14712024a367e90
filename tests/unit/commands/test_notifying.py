from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hico_platform.commands.notifying import notifying, senders, spent_before
from hico_platform.errors import HicoError, UsageError
from hico_platform.notify.senders import JsonSender
from hico_platform.search.ledger.base import Ending, Origin, TrialRecord, TrialState
from tests.toy import toy_space
from tests.unit.notify.handmade import Received, web_receiver
from tests.unit.search.ledger.contract import report

SPACE = toy_space()


def titles(received: Received) -> list[str]:
    return [json.loads(body)["title"] for _, _, body in received.requests]


def watch(received: Received, home: Path) -> object:
    return notifying(SPACE, name="toy", home=home, senders=[JsonSender(url=received.url)], trials=(), sessions=())


def test_what_leaves_the_block_is_told_before_it_goes_on(tmp_path: Path) -> None:
    for error, told in ((KeyboardInterrupt(), "toy: interrupted"), (HicoError([]), "toy: failed")):
        with web_receiver() as received:
            with pytest.raises(type(error)), watch(received, tmp_path):  # type: ignore[attr-defined]
                raise error
            assert titles(received) == [told]


def test_without_addresses_nothing_watches(tmp_path: Path) -> None:
    with notifying(SPACE, name="toy", home=tmp_path, senders=(), trials=(), sessions=()) as watcher:
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


def test_no_space_file_starts_a_program_by_a_file_that_came_with_it(tmp_path: Path) -> None:
    """Both may be someone else's: an archive keeps the mode 600, and its files are of who unpacked it."""
    program, listed = tmp_path / "told", tmp_path / "addresses"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    listed.write_text(f"https://example.org\ncommand:{program}\n")
    listed.chmod(0o600)
    with pytest.raises(UsageError, match="notify: expected no command in a space file"):
        senders(toy_space(notify=[f"file:{listed}"]), [])
    assert len(senders(SPACE, [f"file:{listed}"])) == 2


def test_the_time_between_drivers_is_no_budget_that_is_used_up(tmp_path: Path) -> None:
    space = toy_space(stop={"gpu_hours": 10}, resources={"cpus": 1, "gpus": 1})
    over, open_ = TrialState.COMPLETE, TrialState.RUNNING
    ended = Ending(state=over, epoch=1, at_s=360_100.0)
    records = (
        TrialRecord(number=0, state=over, values={}, origin=Origin.SAMPLER, began_at_s=0.0, ending=ended),
        TrialRecord(
            number=1, state=open_, values={}, origin=Origin.SAMPLER, began_at_s=0.0,
            reports=(dataclasses.replace(report(1, 0.5), at_s=1800.0),),
        ),
    )  # fmt: skip
    assert spent_before(records, sessions=[0.0, 360_000.0]) == 100.0 + 1800.0
    with (
        web_receiver() as received,
        notifying(
            space, name="toy", home=tmp_path, senders=[JsonSender(url=received.url)], trials=records,
            sessions=[0.0, 360_000.0],
        ) as watcher,
    ):  # fmt: skip
        assert watcher is not None
        watcher.look()
    assert not [title for title in titles(received) if "GPU-hours" in title]
