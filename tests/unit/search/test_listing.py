"""The list of searches: what it says agrees with what `status` says of each, and reading it stays cheap."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hico_platform.enums import Decision
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.disk_use import folder_bytes
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.heartbeat import DRIVER
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.engine import Look, looking_at
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.ledger.overview import search_overviews
from hico_platform.search.listing import listed_searches
from hico_platform.search.lock import search_lock
from hico_platform.search.notes import ARCHIVED, GPUS, PAUSES, SESSIONS
from hico_platform.search.pauses import to_note
from hico_platform.search.state import SearchState
from hico_platform.search.status import search_status
from hico_platform.search.tags import TagRecord
from tests.toy import FACTS, toy_space
from tests.unit.search.ledger.contract import ending, report

SPACE = toy_space(trials=5, resources={"cpus": 1, "gpus": 0.5, "max_failures": 1})


def begun(folder: Path, name: str, *, at_s: float = 50.0) -> StudyLedger:
    storage = open_storage(sqlite_url(folder / "study.db"))
    return StudyLedger.create(storage, name=name, space=SPACE, facts=FACTS, limit=5, at_s=at_s)


def test_it_agrees_with_the_status_of_a_search(home: Path) -> None:
    paths = HomePaths(home=home)
    (one,) = listed_searches(paths)
    status = search_status(paths, "toy")
    assert status.best is not None
    assert (one.name, one.state, one.ended, one.begun, one.limit) == ("toy", SearchState.FINISHED, 5, 5, 5)
    assert (one.best, one.best_trial, one.signal) == (status.best.value, status.best.number, "knn_top1")
    assert one.trial_seconds == pytest.approx(status.cost.trial_hours * 3600)
    assert one.bytes_on_disk == sum(file.stat().st_size for file in home.glob("searches/toy/**/*") if file.is_file())


def test_the_newest_is_first(home: Path) -> None:
    begun(home, "older", at_s=-5.0)
    begun(home, "newer", at_s=5.0)
    assert [one.name for one in listed_searches(HomePaths(home=home))] == ["newer", "toy", "older"]


def test_trials_in_every_state_with_noise_owner_and_cost(tmp_path: Path) -> None:
    ledger = begun(tmp_path, "busy")
    driver = DriverRecord(user="alice", uid=7, host="gpu-1", pid=3, command="hico-platform search", began_at_s=50.0)
    ledger.record_driver(driver)
    for state in (TrialState.PRUNED, TrialState.FAILED, TrialState.COMPLETE, TrialState.COMPLETE):
        number = ledger.begin(SPACE, at_s=100.0).number
        value = 0.1 * (number + 1)
        ledger.record_report(number, dataclasses.replace(report(3, 9.0), standard_error=0.5))
        noisy = dataclasses.replace(report(9, value), standard_error=0.02, standard_errors={"knn_top1": 0.02})
        ledger.record_report(number, noisy)
        ledger.record_ending(number, ending(state))
    ledger.begin(SPACE, at_s=150.0)
    (one,) = listed_searches(HomePaths(home=tmp_path), at_s=250.0)
    assert (one.state, one.owner, one.ended, one.begun) == (SearchState.INTERRUPTED, "alice", 4, 5)
    assert (one.best_trial, one.best, one.standard_error) == (3, pytest.approx(0.4), 0.02)
    assert one.trial_seconds == 4 * 100
    assert one.gpu_hours == pytest.approx(400 / 3600 / 2)
    ledger.set_note(DRIVER, {"pid": 7, "host": "gpu-1", "since_s": 0.0, "at_s": 240.0})
    (one,) = listed_searches(HomePaths(home=tmp_path), at_s=250.0)
    assert one.state is SearchState.RUNNING
    assert one.trial_seconds == 4 * 100 + 100, "the running one costs too"


def test_the_time_between_two_drivers_costs_nothing(tmp_path: Path) -> None:
    ledger = begun(tmp_path, "resumed")
    number = ledger.begin(SPACE, at_s=10.0).number
    ledger.record_report(number, dataclasses.replace(report(1, 0.3), at_s=20.0))
    ledger.set_note(SESSIONS, [5.0, 1000.0])
    ledger.record_ending(number, dataclasses.replace(ending(TrialState.PRUNED, epoch=1), at_s=1010.0))
    paths = HomePaths(home=tmp_path)
    (one,) = listed_searches(paths)
    assert one.trial_seconds == 20.0 == pytest.approx(search_status(paths, "resumed").cost.trial_hours * 3600)
    assert one.best == 0.3, "no trial is complete: the farthest is best"


def test_without_a_complete_trial_the_farthest_is_best(tmp_path: Path) -> None:
    ledger = begun(tmp_path, "short")
    for epochs in ((1,), (1, 3), (1, 3)):
        number = ledger.begin(SPACE, at_s=10.0).number
        for epoch in epochs:
            ledger.record_report(number, report(epoch, 0.9 - 0.1 * epoch - 0.01 * number, Decision.CONTINUE))
    paths = HomePaths(home=tmp_path)
    (one,) = listed_searches(paths)
    best = search_status(paths, "short").best
    assert best is not None
    assert (one.best_trial, one.best) == (best.number, best.value) == (1, pytest.approx(0.59))


def test_failed_and_running_searches(tmp_path: Path) -> None:
    ledger = begun(tmp_path, "bad")
    for _ in range(2):
        number = ledger.begin(SPACE, at_s=10.0).number
        ledger.record_ending(number, ending(TrialState.FAILED, epoch=0))
    paths = HomePaths(home=tmp_path)
    assert [one.state for one in listed_searches(paths)] == [SearchState.FAILED]
    begun(tmp_path, "alive")
    with search_lock(tmp_path / "searches" / "alive" / "lock", name="alive"):
        states = {one.name: one.state for one in listed_searches(paths)}
    assert states == {"bad": SearchState.FAILED, "alive": SearchState.RUNNING}


def test_tags_and_the_archive(home: Path) -> None:
    ledger = begun(home, "other")
    for tag in ("baseline", "paper"):
        ledger.set_tag(TagRecord(name=tag, by="alice", at_s=1.0))
    paths = HomePaths(home=home)
    assert [one.name for one in listed_searches(paths, tags=["paper", "baseline"])] == ["other"]
    ledger.remove_tag("paper")
    assert listed_searches(paths, tags=["paper"]) == ()
    ledger.set_note(ARCHIVED, {"by": "alice", "at_s": 1.0})
    assert [one.name for one in listed_searches(paths)] == ["toy"]
    shown = {one.name: one.word for one in listed_searches(paths, archived=True)}
    assert shown == {"other": "archived", "toy": "finished"}


def test_one_that_cannot_be_read_hides_no_other(home: Path) -> None:
    import optuna

    begun(home, "newer")
    study = optuna.load_study(study_name="newer", storage=sqlite_url(home / "study.db"))
    study.set_user_attr("search", {"facts": {"code_version": "9.0"}})
    optuna.create_study(study_name="foreign", storage=sqlite_url(home / "study.db"))
    found = {one.name: one for one in listed_searches(HomePaths(home=home))}
    assert set(found) == {"newer", "toy"}
    assert "9.0" in str(found["newer"].problem)
    assert found["newer"].as_dict()["state"] is None


def test_what_is_wrong_with_a_database_is_said_as_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected an existing study database; start a search first"):
        listed_searches(HomePaths(home=tmp_path))
    (tmp_path / "study.db").write_text("no database at all, only text")
    with pytest.raises(UsageError, match="a study database"):
        listed_searches(HomePaths(home=tmp_path))
    with pytest.raises(UsageError, match="storage: expected a database URL"):
        listed_searches(HomePaths(home=tmp_path, storage="postgresql+psycopg:/nowhere"))


@pytest.mark.slow
def test_the_list_does_without_optuna(home: Path) -> None:
    code = (
        "import sys; from hico_platform.cli.main import main; "
        f"assert main(['list', '--home', {str(home)!r}]) == 0; "
        "assert not {'optuna', 'torch', 'ray', 'mlflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bytes_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one").write_bytes(b"x" * 100)
    (tmp_path / "a" / "two").write_bytes(b"x" * 11)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "a" / "link").lstat()
    assert folder_bytes(tmp_path / "a") == 111 + (tmp_path / "a" / "link").lstat().st_size
    assert folder_bytes(tmp_path / "nothing") is None


DAMAGE = [
    'UPDATE trial_user_attributes SET value_json = \'{"state": "exploded", "at_s": 1}\' WHERE key = \'ending\'',
    "UPDATE trial_user_attributes SET value_json = '[]' WHERE key LIKE 'report:%'",
    "UPDATE trial_user_attributes SET value_json = '{}' WHERE key = 'trial'",
    "UPDATE study_user_attributes SET value_json = '[\"x\"]' WHERE key = 'note:sessions'",
    "UPDATE study_user_attributes SET value_json = '\"x\"' WHERE key = 'note:gpus'",
    "UPDATE study_user_attributes SET value_json = '{\"search\": 1}' WHERE key = 'search'",
    "UPDATE studies SET study_name = '../../other'",
    "UPDATE studies SET study_name = '/etc'",
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_search_that_cannot_be_read_hides_no_other(tmp_path: Path, damage: str) -> None:
    """In a database that people share, each may write what this version does not know, or a name that is none."""
    ledger = begun(tmp_path, "damaged")
    number = ledger.begin(SPACE, at_s=100.0).number
    ledger.set_note(SESSIONS, [0.0])
    ledger.set_note(GPUS, 1.0)
    ledger.record_report(number, report(9, 0.5))
    ledger.record_ending(number, ending(TrialState.COMPLETE))
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute(damage)
    begun(tmp_path, "whole", at_s=99.0)
    found = {one.name: one.problem for one in listed_searches(HomePaths(home=tmp_path))}
    assert found.pop("whole") is None
    assert [problem is not None for problem in found.values()] == [True]


def test_a_search_that_begins_while_the_list_is_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path, "first")
    rows = Look.rows

    def slowly(look: Look, query: str, **values: object) -> object:
        if "study_user_attributes" in query and "second" not in seen:
            seen.append("second")
            begun(tmp_path, "second")
        return rows(look, query, **values)

    seen: list[str] = []
    with looking_at(HomePaths(home=tmp_path).storage_url) as look, monkeypatch.context() as patched:
        patched.setattr(Look, "rows", slowly)
        assert [one.name for one in search_overviews(look)] == ["first"]


@pytest.mark.parametrize(
    "beat", [{"at_s": 240.0}, {"host": "h", "pid": 1, "since_s": 0.0, "at_s": float("nan")}, [], 3]
)
def test_what_is_no_heartbeat_is_no_driver(tmp_path: Path, beat: object) -> None:
    begun(tmp_path, "toy").set_note(DRIVER, beat)
    (one,) = listed_searches(HomePaths(home=tmp_path), at_s=250.0)
    assert (one.state, one.problem) == (SearchState.INTERRUPTED, None)


def test_the_time_in_which_a_trial_was_paused_costs_nothing(tmp_path: Path) -> None:
    ledger = begun(tmp_path, "paused")
    number = ledger.begin(SPACE, at_s=100.0).number
    ledger.set_note(PAUSES, to_note({number: ((120.0, 180.0),)}))
    ledger.record_report(number, report(9, 0.5))
    ledger.record_ending(number, ending(TrialState.COMPLETE))
    (one,) = listed_searches(HomePaths(home=tmp_path), at_s=250.0)
    status = search_status(HomePaths(home=tmp_path), "paused", at_s=250.0)
    assert one.trial_seconds == pytest.approx(status.cost.trial_hours * 3600) == 100.0 - 60.0
