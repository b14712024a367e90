"""A search is changed as a whole only while nothing runs it, and by who ran it last."""

from __future__ import annotations

import time
from pathlib import Path

import optuna
import pytest

from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.at_rest import at_rest, check_owner, refuse_half_changed
from hico_platform.search.drivers import DriverRecord, clock_time, this_driver
from hico_platform.search.heartbeat import DRIVER
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.lock import holder, search_lock
from hico_platform.search.notes import DELETING, RENAMING
from tests.toy import FACTS, toy_space

STORAGE = optuna.storages.InMemoryStorage()


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    return HomePaths(home=tmp_path)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger(name="toy", space=toy_space(), facts=FACTS, limit=5, at_s=0.0)


def refusal(paths: HomePaths, ledger: MemoryLedger) -> str:
    with pytest.raises(UsageError) as caught, at_rest(paths, ledger, STORAGE):
        raise AssertionError("nothing is changed")
    return str(caught.value)


def test_in_the_block_no_driver_and_no_retraining_can_begin(paths: HomePaths, ledger: MemoryLedger) -> None:
    retraining = paths.search("toy") / "final" / "lock"
    retraining.parent.mkdir(parents=True)
    retraining.touch()
    with at_rest(paths, ledger, STORAGE):
        assert all(holder(file) is not None for file in (*paths.locks("toy"), retraining))
    assert all(holder(file) is None for file in (*paths.locks("toy"), retraining))


def test_no_folder_is_made_for_a_retraining_that_never_was(paths: HomePaths, ledger: MemoryLedger) -> None:
    with at_rest(paths, ledger, STORAGE):
        assert not (paths.search("toy") / "final").exists()


def test_a_driver_elsewhere_is_named(paths: HomePaths, ledger: MemoryLedger) -> None:
    ledger.set_note(DRIVER, {"pid": 7, "host": "gpu-1", "since_s": 60.0, "at_s": time.time()})
    assert refusal(paths, ledger) == (
        "NAME: expected a search that is not running already, got 'toy: process 7 on gpu-1 has run it since "
        f"{clock_time(60.0)}'; end it first: hico-platform stop toy"
    )


def test_a_retraining_is_interrupted_first(paths: HomePaths, ledger: MemoryLedger) -> None:
    with search_lock(paths.search("toy") / "final" / "lock", name="toy"):
        said = refusal(paths, ledger)
    assert "expected a search that is not being retrained, got 'toy: process" in said
    assert said.endswith("; wait for it, end it, or interrupt it")
    assert holder(paths.lock("toy")) is None, "what was held already is given back"


def driver(user: str) -> DriverRecord:
    return DriverRecord(user=user, uid=-5, host="gpu", pid=1, command="x", began_at_s=1.0)


def test_who_ran_it_last_may_change_it(ledger: MemoryLedger) -> None:
    check_owner(ledger, force=False)  # of an older version, which recorded nobody
    me = this_driver()
    for last, refused in ((driver("alice"), True), (me, False)):
        ledger.record_driver(last)
        if refused:
            with pytest.raises(UsageError) as caught:
                check_owner(ledger, force=False)
            assert str(caught.value) == (
                f"NAME: expected a search that {me.user} ran last, got 'toy, which alice did'; "
                "ask alice, then add --force"
            )
            check_owner(ledger, force=True)
        else:
            check_owner(ledger, force=False)


@pytest.mark.parametrize(
    ("note", "content", "message"),
    [
        (RENAMING, {"to": "big bear"}, "name: expected a search that is not half renamed, got 'toy, whose rename was "
         "interrupted'; run it again: hico-platform rename toy 'big bear'"),
        (DELETING, {"by": "ann"}, "name: expected a search that is not half deleted, got 'toy, whose deletion was "
         "interrupted'; run it again: hico-platform delete toy"),
    ],
)  # fmt: skip
def test_half_a_change_is_done_again_before_it_runs(
    note: str, content: dict[str, str], message: str, ledger: MemoryLedger
) -> None:
    refuse_half_changed(ledger)
    ledger.set_note(note, content)
    with pytest.raises(UsageError) as caught:
        refuse_half_changed(ledger)
    assert str(caught.value) == message
    ledger.set_note(note, None)
    refuse_half_changed(ledger)
