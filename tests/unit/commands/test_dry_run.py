from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hico_platform.commands import dry_run as module
from hico_platform.commands.dry_run import dry_run
from hico_platform.data.split_guard import ClosedTestSplitError, Purpose, require_open
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.drivers import this_driver
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from tests.toy import FACTS, toy_space

TOO_LARGE = toy_space(resources={"cpus": 4000})


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    return HomePaths(home=tmp_path / "home")


def test_nothing_is_made_and_nothing_is_timed_without_data(paths: HomePaths) -> None:
    plan = dry_run(toy_space(trials=6), paths=paths, name="toy", limit=9)
    assert (plan.limit, plan.seconds_per_epoch, plan.hours) == (9, None, None)
    assert dry_run(toy_space(trials=6), paths=paths, name="toy").limit == 6
    assert not paths.home.exists()


def test_a_trial_that_does_not_fit_this_machine_is_refused_unless_it_is_for_a_cluster(paths: HomePaths) -> None:
    with pytest.raises(UsageError, match=r"resources\.cpus: expected at most"):
        dry_run(TOO_LARGE, paths=paths, name="toy")
    with pytest.raises(UsageError, match=r"resources\.cpus: expected at most the 1 CPU"):
        dry_run(toy_space(resources={"cpus": 2}), paths=paths, name="toy", cpus=1)
    assert dry_run(TOO_LARGE, paths=paths, name="toy", address="head:6379").limit == 6


def test_a_search_that_could_not_begin_or_be_resumed_has_no_plan(paths: HomePaths) -> None:
    ledger = StudyLedger.create(
        open_storage(paths.storage_url), name="toy", space=toy_space(), facts=FACTS, limit=6, at_s=0.0
    )
    ledger.begin(toy_space(), at_s=0.0)
    with pytest.raises(UsageError, match="a name that no search has yet"):
        dry_run(toy_space(), paths=paths, name="toy")
    assert dry_run(toy_space(), paths=paths, name="toy", resume=True).limit == 6
    ledger.record_driver(dataclasses.replace(this_driver(at_s=0.0), user="alice", uid=4321))
    with pytest.raises(UsageError, match="ask alice"):
        dry_run(toy_space(), paths=paths, name="toy", resume=True)
    assert dry_run(toy_space(), paths=paths, name="toy", resume=True, take_over=True).limit == 6


def test_points_of_an_earlier_search_are_planned_too(paths: HomePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    warm = [{"contrast.temperature": 0.4, "model.encoder": "gru"}]
    monkeypatch.setattr(module, "warm_points_at", lambda paths, space: warm)
    plan = dry_run(toy_space(), paths=paths, name="toy")
    assert dict(zip(plan.origins, plan.first, strict=True))["warm start"] == warm[0]


def test_a_plan_may_not_read_the_test_split(paths: HomePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "plan_search", lambda space, **options: require_open(Purpose.RETRAINING))
    with pytest.raises(ClosedTestSplitError, match="got 'a dry run'"):
        dry_run(toy_space(), paths=paths, name="toy")
