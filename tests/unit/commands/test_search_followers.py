"""What follows a search: a store for its checkpoints gets what workers left, and runs say where they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import save_checkpoint
from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.commands import search_followers as module
from hico_platform.commands.checkpoints_option import CheckpointsOption
from hico_platform.commands.search_followers import SearchFollowers
from hico_platform.home import HomePaths
from hico_platform.search.drivers import this_driver
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.messages import EpochReport, TrialOutcome
from hico_platform.search.phases import UNWATCHED
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.worker.staging import spool_folder, spool_of
from tests.toy import FACTS, toy_space
from tests.unit.cli.test_search import controller_of

SPACE = toy_space(trials=3, scheduler={"name": "none"}, keep={"best": 1, "per_rung": 0, "encoder_only": "none"})


def test_a_search_with_a_store_and_a_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_STAGING", str(tmp_path / "spool"))
    paths, tracker = HomePaths(home=tmp_path / "home"), MemoryTracker()
    ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=3, at_s=1.0)
    ledger.record_driver(this_driver(command=""))
    url = f"file://{tmp_path}/there"
    followers = SearchFollowers(ledger, SPACE, paths=paths, tracker=tracker, checkpoints=CheckpointsOption(default=url))
    assert followers.store is not None
    assert followers.on_worker(print) is not print  # type: ignore[arg-type]
    controller = controller_of(ledger, tmp_path, lambda event: (followers.logger(event), followers.keeper(event)))
    spool = spool_folder(followers.store.url, followers.store.folder)
    while task := controller.next_task():  # as on workers that ended before their last upload
        last = save_checkpoint(spool / f"{task.number:04d}", epoch=9, tensors={"a": torch.ones(9)}, facts={})
        name = Path(f"{task.number:04d}") / last.name
        metrics = {"knn_top1": 0.5 - task.number / 10}
        controller.reported(task.number, EpochReport(epoch=9, metrics=metrics, history=(), checkpoint=name))
        outcome = TrialOutcome(epoch=9, stopped_early=False, metrics={}, checkpoint=name)
        controller.finished(task.number, outcome)
    assert followers.close(RunStatus.FINISHED, watch=UNWATCHED) == 0
    spool_of.cache_clear()
    store = followers.store
    assert [store.names(f"{number:04d}") for number in range(3)] == [["epoch-000009"], [], []]
    runs = {kept.run.tags["hico.trial"]: kept for kept in tracker.kept.values() if kept.parent}
    assert runs["0"].run.tags["hico.checkpoint"] == store.address("0000/epoch-000009")
    assert runs["2"].run.tags["hico.checkpoint"].startswith("removed on ")
    assert all("checkpoint" not in kept.artifacts for kept in runs.values()), "there is no second copy"


def test_what_a_store_that_is_away_did_not_get_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HICO_STAGING", str(tmp_path / "spool"))
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=3, at_s=1.0)
    ledger.record_driver(this_driver(command=""))
    followers = SearchFollowers(
        ledger,
        SPACE,
        paths=HomePaths(home=tmp_path / "home"),
        tracker=MemoryTracker(),
        checkpoints=CheckpointsOption(url=f"file://{tmp_path}/there"),
    )
    assert followers.store is not None
    left = spool_folder(followers.store.url, followers.store.folder) / "0002"
    save_checkpoint(left, epoch=9, tensors={"a": torch.ones(9)}, facts={})

    def away(*_: object) -> None:
        raise StoreAwayError("away")

    monkeypatch.setattr(CheckpointStore, "names", away)
    followers.close(RunStatus.FINISHED, watch=UNWATCHED)
    spool_of.cache_clear()
    assert "the checkpoints of trials 0002 wait for file://" in caplog.text
    assert left.exists()
