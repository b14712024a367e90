"""What a search's status says, from a ledger with trials of every kind; the pages that show it are cli's."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from hico_platform.enums import Decision
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.drivers import this_driver
from hico_platform.search.heartbeat import DEAD_AFTER_S, DRIVER
from hico_platform.search.ledger.base import Ending, ReportRecord, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.lock import search_lock
from hico_platform.search.notes import ENDED_BY, EXCLUDED_MACHINES, GPUS, SESSIONS
from hico_platform.search.state import SearchState
from hico_platform.search.status import Cost, OtherStudy, Rung, SearchStatus, progress_of, search_status, searches
from tests.toy import FACTS, toy_space

HOUR_S = 3600.0
SPACE = toy_space(
    trials=5,
    resources={"cpus": 4, "gpus": 0.5},
    objectives=["knn_top1", "parameters"],
    scheduler={"name": "none"},
)


def report(
    epoch: int, value: float, parameters: float, *, hours: float, decision: Decision = Decision.CONTINUE
) -> ReportRecord:
    return ReportRecord(
        epoch=epoch,
        value=value,
        metrics={},
        history=(),
        decision=decision,
        checkpoint=Path(f"epoch-{epoch}"),
        at_s=HOUR_S * hours,
        measures=(value, parameters),
    )


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a search of five trials: two complete, one stopped, one failed and one that has not ended."""
    home = tmp_path_factory.mktemp("made")
    storage = open_storage(sqlite_url(home / "study.db"))
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=6, at_s=0.0)
    for number in range(5):
        ledger.begin(SPACE, at_s=HOUR_S * number)
    ended = {"metrics": {"recognition_top1": 0.25}, "checkpoint": "0000/epoch-000009"}
    for number, reports in enumerate(
        (
            (report(1, 0.3, 9.0, hours=0.5), report(9, 0.6, 9.0, hours=1.75)),
            (report(1, 0.2, 5.0, hours=1.25), report(9, 0.5, 5.0, hours=1.75)),
            (report(1, 0.1, 1.0, hours=3.0, decision=Decision.STOP),),
            (),
            (report(1, 0.7, 9.0, hours=4.5),),
        )
    ):
        for one in reports:
            ledger.record_report(number, one)
    ledger.record_ending(0, Ending(state=TrialState.COMPLETE, epoch=9, at_s=HOUR_S * 2, **ended))
    ledger.record_ending(1, Ending(state=TrialState.COMPLETE, epoch=9, at_s=HOUR_S * 2))
    ledger.record_ending(2, Ending(state=TrialState.PRUNED, epoch=1, at_s=HOUR_S * 3))
    ledger.record_ending(3, Ending(state=TrialState.FAILED, epoch=0, at_s=HOUR_S * 4, reason="ValueError: no"))
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def ledger_of(home: Path) -> StudyLedger:
    return StudyLedger.open(open_storage(sqlite_url(home / "study.db")), name="toy")


def status_of(home: Path, *, at_s: float = HOUR_S * 6) -> SearchStatus:
    return search_status(HomePaths(home=home), "toy", at_s=at_s)


@pytest.mark.slow
def test_without_a_driver_what_has_not_ended_is_interrupted_and_costs_nothing_more(made: Path) -> None:
    status = status_of(made)
    assert (status.state, status.driver, status.seconds_left) == (SearchState.INTERRUPTED, None, None)
    assert status.cost == Cost(trial_hours=5.0, cpu_hours=20.0, gpu_hours=2.5)
    assert [trial["state"] for trial in status.as_dict()["trials"]] == [
        "complete", "complete", "pruned", "failed", "interrupted",
    ]  # fmt: skip


def test_with_a_driver_the_running_trial_counts_up_to_now(home: Path) -> None:
    with search_lock(home / "searches" / "toy" / "lock", name="toy"):
        status = status_of(home)
    assert status.state is SearchState.RUNNING
    assert status.driver is not None
    assert status.cost == Cost(trial_hours=7.0, cpu_hours=28.0, gpu_hours=3.5)
    # 19 epochs took 5 hours: the 2 hours of trial 4 are most of its 9 epochs, and one more trial is to begin.
    epoch_hours = 5 / 19
    assert status.seconds_left == pytest.approx(HOUR_S * ((9 * epoch_hours - 2) + 9 * epoch_hours))
    assert status.as_dict()["trials"][4]["state"] == "running"


def test_hours_in_which_no_driver_ran_are_not_counted(home: Path) -> None:
    ledger_of(home).set_note(SESSIONS, [0.0, HOUR_S * 1.5])
    # Trial 0 was left after its report at 0.5 h and trial 1 after its own at 1.25 h: they were taken up at 1.5 h.
    assert status_of(home).cost.trial_hours == pytest.approx(5.0 - 1.0 - 0.25)


def test_gpus_that_were_measured_go_before_those_of_the_space(home: Path) -> None:
    assert status_of(home).gpus == 0.5
    ledger_of(home).set_note(GPUS, 0.25)
    status = status_of(home)
    assert (status.gpus, status.cost.gpu_hours) == (0.25, 1.25)


def test_rungs_count_who_came_and_who_was_stopped(made: Path) -> None:
    assert status_of(made).rungs == {
        1: Rung(reached=4, stopped=1, best=0.7),
        9: Rung(reached=2, stopped=0, best=0.6),
    }


def test_the_best_and_the_front_are_of_complete_trials(made: Path) -> None:
    status = status_of(made)
    assert status.best is not None
    assert (status.best.number, [trial.number for trial in status.front]) == (0, [0, 1])


def test_a_checkpoint_is_the_path_of_its_file_in_this_home(made: Path) -> None:
    first, second, *_ = status_of(made).trials
    assert first.ending is not None
    assert second.ending is not None
    folder = HomePaths(home=made).trials(ledger_of(made).search)
    assert first.ending.checkpoint == str(folder / "0000" / "epoch-000009")
    assert second.ending.checkpoint is None


def test_as_plain_values(home: Path) -> None:
    ledger = ledger_of(home)
    ledger.set_note(ENDED_BY, "the target is reached")
    left_out = {"host": "node7", "reason": "no", "trials": [1], "at_s": 9.0}
    ledger.set_note(EXCLUDED_MACHINES, [left_out])
    ledger.record_driver(this_driver(command="hico-platform search", at_s=1.5))
    plain = status_of(home).as_dict()
    trials, drivers = plain.pop("trials"), plain.pop("drivers")
    assert {name: plain.pop(name) for name in ("archived", "former_names", "note", "tags", "waiting", "requests")} == {
        "archived": False,
        "former_names": [],
        "note": None,
        "tags": [],
        "waiting": [],
        "requests": [],
    }
    assert plain.pop("paused") == {"search": False, "trials": []}
    assert plain.pop("missing_plug_ins") == []
    assert plain.pop("without_report") == {}, "no driver has it"
    assert plain == {
        "name": "toy",
        "state": "interrupted",
        "limit": 6,
        "counts": {"running": 0, "interrupted": 1, "complete": 2, "pruned": 1, "failed": 1},
        "epochs": 9 + 9 + 1 + 0 + 1,
        "epochs_a_trial": 9,
        "rungs": {"1": {"reached": 4, "stopped": 1, "best": 0.7}, "9": {"reached": 2, "stopped": 0, "best": 0.6}},
        "seconds_left": None,
        "ended_by": "the target is reached",
        "cost": {"trial_hours": 5.0, "cpu_hours": 20.0, "gpu_hours": 2.5},
        "gpus_per_trial": 0.5,
        "machines_left_out": [left_out],
        "best": trials[0],
        "objectives": ["knn_top1", "parameters"],
        "front": [0, 1],
        "driver": None,
        "owner": drivers[0]["user"],
    }
    assert (drivers[0]["command"], drivers[0]["began_at_s"]) == ("hico-platform search", 1.5)
    values, checkpoint = trials[0].pop("values"), trials[0].pop("checkpoint")
    assert values.keys() == {"contrast.temperature", "model.encoder"}
    assert checkpoint.endswith("0000/epoch-000009")
    assert trials[0] == {
        "number": 0,
        "state": "complete",
        "origin": "sampler",
        "epoch": 9,
        "value": 0.6,
        "standard_error": None,
        "scores": dict(ledger.trials()[0].reports[-1].metrics),
        "knn_top1": 0.6,
        "machine": None,
        "measures": [0.6, 9.0],
        "curve": {"1": 0.3, "9": 0.6},
        "metrics": {"recognition_top1": 0.25},
        "reason": None,
        "run_id": None,
        "seconds": HOUR_S * 2,
    }
    failed, unfinished = trials[3:]
    assert (failed["reason"], failed["knn_top1"], failed["seconds"]) == ("ValueError: no", None, HOUR_S)
    assert (unfinished["epoch"], unfinished["seconds"], unfinished["metrics"]) == (1, None, {})


def test_a_heartbeat_from_elsewhere_is_a_driver_and_an_old_one_is_none(home: Path) -> None:
    ledger = ledger_of(home)
    beat = {"user": "ann", "pid": 7, "host": "another-machine", "since_s": 0.0, "at_s": HOUR_S * 6}
    ledger.set_note(DRIVER, beat)
    assert status_of(home).driver == beat
    assert status_of(home, at_s=HOUR_S * 6 + DEAD_AFTER_S + 1).driver is None


def test_on_the_drivers_own_machine_the_lock_decides(home: Path) -> None:
    here = {"user": "ann", "pid": 7, "host": socket.gethostname(), "since_s": 0.0, "at_s": HOUR_S * 6}
    ledger_of(home).set_note(DRIVER, here)
    assert status_of(home).driver == here, "it runs from another home"
    lock = home / "searches" / "toy" / "lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert status_of(home).driver is None, "it ran from this home and its lock is free"


def test_all_studies_are_listed_by_name_with_why_some_cannot_be_shown(home: Path) -> None:
    storage = open_storage(sqlite_url(home / "study.db"))
    optuna.create_study(storage=storage, study_name="theirs")
    StudyLedger.create(storage, name="newer", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
    study = optuna.load_study(study_name="newer", storage=storage)
    study.set_user_attr("search", {**study.user_attrs["search"], "facts": None})
    newer, theirs, toy = searches(HomePaths(home=home))
    assert theirs == OtherStudy(name="theirs", reason="not a search: a study that this package did not make")
    assert isinstance(newer, OtherStudy)
    assert newer.reason.startswith("cannot be read: newer: expected a search that this version can read")
    assert newer.as_dict() == {"name": "newer", "state": None, "error": newer.reason}
    assert isinstance(toy, SearchStatus)
    assert toy.search.name == "toy"


def test_looking_completes_no_step_and_an_unknown_name_is_refused(home: Path) -> None:
    def content() -> list[str]:
        with closing(sqlite3.connect(home / "study.db")) as connection:
            return list(connection.iterdump())

    before = content()
    progress = progress_of(HomePaths(home=home), "toy")
    assert (progress.state, progress.ended, progress.limit) == (SearchState.INTERRUPTED, 4, 6)
    assert content() == before
    with pytest.raises(UsageError, match="expected the name of a search, got 'toi'"):
        search_status(HomePaths(home=home), "toi")
