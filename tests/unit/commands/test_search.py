"""What a search says of a tracking store that refuses, at its start and at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.commands import search as module
from hico_platform.commands.search import run_search
from hico_platform.data.split_guard import ClosedTestSplitError, Purpose, require_open
from hico_platform.environment.record import read_environment
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.result import SearchResult
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.start import SearchRequest
from hico_platform.tracking.memory import MemoryTracker
from tests.toy import FACTS, run_toy_task, toy_space

SPACE = toy_space(trials=2)


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    """A home with a finished search that no tracking store has seen; to resume it starts no Ray."""
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=2, at_s=1.0)
    controller = SearchController(
        ledger=ledger,
        space=SPACE,
        scheduler=make_scheduler(SPACE.settings.scheduler, epochs=9),
        directory=HomePaths(home=tmp_path).trials(ledger.search),
        observe=lambda event: None,
    )
    while task := controller.next_task():
        run_toy_task(controller, task)
    return HomePaths(home=tmp_path)


def resume(paths: HomePaths, tracker: MemoryTracker) -> SearchResult:
    request = SearchRequest(name="toy", space=SPACE, facts=FACTS, resume=True)
    return run_search(request, paths=paths, function=print, tracker=tracker)  # type: ignore[arg-type]


def test_refused_writes_are_counted_apart_from_those_that_wait(paths: HomePaths) -> None:
    tracker = MemoryTracker()
    tracker.refuses = {"log_folder"}
    result = resume(paths, tracker)
    assert (result.untracked, result.refused, result.refusal) == (0, 3, "log_folder is not allowed")
    printed = result.as_dict()
    assert (printed["untracked"], printed["refused"], printed["refusal"]) == (0, 3, "log_folder is not allowed")
    tracker.refuses = set()
    assert resume(paths, tracker).refused == 0
    assert all("checkpoint" in kept.artifacts for kept in tracker.kept.values() if kept.parent)


def test_the_environment_is_kept_in_the_searchs_folder_and_with_its_run(paths: HomePaths) -> None:
    tracker = MemoryTracker()
    resume(paths, tracker)
    resume(paths, tracker)
    (parent,) = (kept for kept in tracker.kept.values() if not kept.parent)
    folder = paths.search("toy") / "environment"
    assert parent.artifacts["environment"] == str(folder)
    assert [path.name for path in paths.search("toy").glob("environment*")] == ["environment"]
    found = read_environment(folder)
    assert found is not None
    assert found.command
    assert any(package.startswith("optuna==") for package in found.packages)


def test_a_search_is_not_begun_or_resumed_over_a_store_that_refuses_everything(paths: HomePaths) -> None:
    tracker = MemoryTracker()
    tracker.refuses = {"check"}
    with pytest.raises(
        UsageError, match="a tracking store that takes what is written, got 'memory, which refuses: check"
    ):
        resume(paths, tracker)
    assert tracker.requests == 0


def test_the_driver_of_a_search_may_not_read_the_test_split(paths: HomePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "check_tracking", lambda *arguments: require_open(Purpose.RETRAINING))
    with pytest.raises(ClosedTestSplitError, match="got 'a search'"):
        resume(paths, MemoryTracker())
