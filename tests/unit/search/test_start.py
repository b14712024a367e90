"""Resuming another user's search: refused, taken over, and what the ledger and MLflow's runs record of it."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import search, search_inputs
from hico_platform.commands.search import run_search
from hico_platform.errors import Problem, UsageError
from hico_platform.home import HomePaths
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.lock import search_lock
from hico_platform.search.start import SearchRequest, check_resumable, check_startable
from hico_platform.tracking.base import USER_TAG
from hico_platform.tracking.memory import MemoryTracker
from tests.toy import FACTS, toy_space
from tests.unit.cli.test_search import SPACE

ALICE = DriverRecord(user="alice", uid=1, host="gpu-1", pid=7, command="hico-platform search", began_at_s=1.0)


def become(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.struct_passwd((user, "x", os.getuid(), os.getgid(), "", "/nonexistent", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: entry)


@pytest.fixture
def paths(home: Path) -> HomePaths:
    """A home with a finished search of an older version; to resume it starts no Ray."""
    return HomePaths(home=home)


def ledger_of(paths: HomePaths) -> StudyLedger:
    return StudyLedger.open(open_storage(paths.storage_url), name="toy", settle=False)


def resume(paths: HomePaths, tracker: MemoryTracker, *, take_over: bool = False) -> None:
    request = SearchRequest(name="toy", space=SPACE, facts=FACTS, resume=True, take_over=take_over)
    run_search(request, paths=paths, function=print, tracker=tracker)  # type: ignore[arg-type]


@pytest.fixture
def of_alice(paths: HomePaths, monkeypatch: pytest.MonkeyPatch) -> HomePaths:
    """A finished search of alice's, with this process run by bob."""
    ledger_of(paths).record_driver(ALICE)
    become("bob", monkeypatch)
    return paths


def test_another_persons_search_is_not_resumed_and_nothing_is_written(of_alice: HomePaths) -> None:
    tracker, before = MemoryTracker(), ledger_of(of_alice).trials()
    with pytest.raises(UsageError, match="a search that bob began or took over, got 'toy: alice began it at"):
        resume(of_alice, tracker)
    assert not tracker.kept
    assert ledger_of(of_alice).drivers() == (ALICE,)
    assert ledger_of(of_alice).trials() == before


def test_taken_over_it_goes_on_and_says_so_everywhere(of_alice: HomePaths, capsys: pytest.CaptureFixture[str]) -> None:
    tracker = MemoryTracker()
    resume(of_alice, tracker, take_over=True)
    _, bob = ledger_of(of_alice).drivers()
    assert (bob.user, bob.uid, bob.pid, bob.resumed) == ("bob", os.getuid(), os.getpid(), True)
    assert bob.took_over_from == "alice"
    users = [kept.run.tags[USER_TAG] for kept in tracker.kept.values()]
    assert users == ["alice"] * 6  # who began the search, and its trials
    resume(of_alice, tracker)  # it is bob's now
    assert len(ledger_of(of_alice).drivers()) == 3
    assert main(["status", "toy", "--home", str(of_alice.home)]) == 0
    shown = capsys.readouterr().out
    assert "begun by alice on gpu-1 at 1970-01-01 " in shown
    assert " (process 7): hico-platform search\n" in shown
    assert f"resumed by bob on {bob.host} at " in shown


def test_a_search_of_an_older_version_is_anybodys(paths: HomePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    become("bob", monkeypatch)
    tracker = MemoryTracker()
    resume(paths, tracker)
    (bob,) = ledger_of(paths).drivers()
    assert (bob.resumed, bob.took_over_from) == (True, None)
    assert all(USER_TAG not in kept.run.tags for kept in tracker.kept.values())  # who began them is not known


def test_the_command_refuses_before_anything_is_made(of_alice: HomePaths, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(of_alice.home.rglob("*"))
    words = ["search", "--resume", "--name", "toy", "--home", str(of_alice.home)]
    for more in ([], ["--dry-run"], ["--json"]):
        assert main([*words, *more]) == 2
        printed = capsys.readouterr()
        shown = json.loads(printed.out)["errors"][0]["remedy"] if "--json" in more else printed.err
        assert "ask alice, then add --take-over" in shown
    assert sorted(of_alice.home.rglob("*")) == before
    assert main([*words, "--dry-run", "--take-over"]) == 0


def test_taking_over_goes_with_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--space", "queue", "--take-over", "--home", str(tmp_path)]) == 2
    assert "--take-over: expected a search that is resumed" in capsys.readouterr().err


def test_a_new_search_under_another_persons_name_says_whose_that_is(
    of_alice: HomePaths, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", "--space", "queue", "--name", "toy", "--dry-run", "--home", str(of_alice.home)]
    assert main(words) == 2
    assert "give another --name: this one is alice's" in capsys.readouterr().err


def test_a_ledger_that_somebody_else_wrote_steers_no_terminal(
    paths: HomePaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    become("bob", monkeypatch)
    hostile = dataclasses.replace(ALICE, user="eve\x1b]0;x\x07", host="\x1b[2J\nerror: h", command="\u202e[red]x")
    ledger_of(paths).record_driver(hostile)
    home = ["--home", str(paths.home)]
    assert main(["search", "--resume", "--name", "toy", *home]) == 2
    for words in (["status", "toy"], ["status"]):
        assert main([*words, *home]) == 0
    printed = capsys.readouterr()
    lines = [*printed.out.splitlines(), *printed.err.splitlines()]
    assert all(line.isprintable() for line in lines)
    assert len([line for line in lines if line.startswith("error: ")]) == 1
    assert any("[red]x" in line for line in lines)


def test_the_command_that_the_ledger_keeps_has_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[DriverRecord] = []

    def not_run(request: SearchRequest, **options: object) -> None:
        assert request.driver is not None
        kept.append(request.driver)
        raise UsageError(Problem(rule="no more of this", remedy=None))

    monkeypatch.setattr(search, "run_search", not_run)
    inputs = SimpleNamespace(
        facts=SimpleNamespace(more={"dataset": "d"}, protocol="xsub"), function=None, probe=None, warnings=()
    )
    monkeypatch.setattr(search_inputs, "search_inputs", lambda *_, **__: inputs)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0k3n-in-a-name")
    storage, name = "postgresql+psycopg://me:s3cr3t@h/db?password=s3cr3t-too", "t0k3n-in-a-name"
    words = ["search", "--space", "queue", "--storage", storage, "--name", name, "--tracking=http://u:s3cr3t3@h:5000"]
    assert main([*words, "--home", f"{tmp_path}/a b"]) == 2
    (driver,) = kept
    assert driver.command == (
        "hico-platform search --space queue --storage 'postgresql+psycopg://me:***@h/db?password=***' "
        f"--name '***' '--tracking=http://u:***@h:5000' --home '{tmp_path}/a b'"
    )


def test_a_running_search_says_that_first(of_alice: HomePaths) -> None:
    with (
        search_lock(of_alice.lock("toy"), name="toy"),
        pytest.raises(UsageError, match=r"process \d+ on \S+ \(bob\) has run it"),
    ):
        check_resumable(of_alice, "toy", take_over=False)


def test_what_is_not_there_yet_begins(tmp_path: Path) -> None:
    check_resumable(HomePaths(home=tmp_path), "toy", take_over=False)
    assert list(tmp_path.iterdir()) == []


class TestStartable:
    @pytest.fixture
    def paths(self, tmp_path: Path) -> HomePaths:
        return HomePaths(home=tmp_path)

    def begin(self, paths: HomePaths) -> None:
        storage = open_storage(sqlite_url(paths.home / "study.db"))
        ledger = StudyLedger.create(storage, name="toy", space=toy_space(), facts=FACTS, limit=3, at_s=0.0)
        ledger.begin(toy_space(), at_s=0.0)

    def check(self, paths: HomePaths, *, resume: bool = False, **space: object) -> None:
        check_startable(paths, "toy", toy_space(**space), facts=FACTS, resume=resume)

    def test_a_new_name_leaves_nothing_behind(self, paths: HomePaths) -> None:
        self.check(paths)
        assert list(paths.home.iterdir()) == []

    def test_a_name_that_is_taken(self, paths: HomePaths) -> None:
        self.begin(paths)
        with pytest.raises(UsageError, match="a name that no search has yet, got 'toy'; give --resume"):
            self.check(paths)

    def test_one_that_goes_on_must_agree(self, paths: HomePaths) -> None:
        self.begin(paths)
        self.check(paths, resume=True, trials=9)
        with pytest.raises(
            UsageError, match=r"base.budget.epochs: expected the same as when the search toy began: 9, got 12"
        ):
            self.check(paths, resume=True, epochs=12)

    def test_one_that_runs(self, paths: HomePaths) -> None:
        with search_lock(paths.lock("toy"), name="toy"), pytest.raises(UsageError, match="is not running already"):
            self.check(paths)
