"""gc says what would go, asks, removes it, goes on after a kill, and is refused where a driver or another gc works."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from hico_platform import checkpoint_files
from hico_platform.checkpoint import load_checkpoint, save_checkpoint
from hico_platform.cli.main import main
from hico_platform.commands.gc import collect, collection_of, follow
from hico_platform.config.space import CheckedSpace
from hico_platform.errors import ConfigError, UsageError
from hico_platform.home import HomePaths
from hico_platform.search.keep_rule import Kept
from hico_platform.search.kept_checkpoints import RECORD
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.lock import search_lock
from hico_platform.search.messages import EpochReport, TrialOutcome
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger
from tests.toy import FACTS, toy_space
from tests.unit.cli.test_search import controller_of

SCORES = (0.2, 0.9, 0.5, 0.7, 0.1, 0.4)
RULE = {"best": "1", "per_rung": "0"}


def searched(paths: HomePaths, space: CheckedSpace, tracker: MemoryTracker | None = None) -> Ledger:
    """A search of six trials with checkpoints, of which the last is left running."""
    storage = open_storage(sqlite_url(paths.home / "study.db"))
    ledger = StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=6, at_s=0.0)
    logger = SearchLogger(
        ledger=ledger,
        space=space,
        tracker=tracker or MemoryTracker(),
        outbox=Outbox(),
        checkpoint=lambda recorded: paths.checkpoint(ledger.search, recorded),
    )
    controller = controller_of(ledger, paths.trials(ledger.search), logger)
    while task := controller.next_task():
        for epoch in (8, 9):
            tensors = {"model/query.encoder.a": torch.randn(500), "optimiser/0/m": torch.randn(2000)}
            last = save_checkpoint(task.directory, epoch=epoch, tensors=tensors, facts={})
        metrics = {"knn_top1": SCORES[task.number]}
        report = EpochReport(epoch=9, metrics=metrics, history=((9, {"loss": 1.0}),), checkpoint=last)
        controller.reported(task.number, report)
        if task.number < 5:
            outcome = TrialOutcome(epoch=9, stopped_early=False, metrics={}, checkpoint=last)
            controller.finished(task.number, outcome)
    logger.close(status=RunStatus.KILLED, patience_s=5.0)
    return ledger


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with such a search, to be copied."""
    home = tmp_path_factory.mktemp("searched")
    searched(HomePaths(home=home), toy_space(scheduler={"name": "none"}))
    return home


@pytest.fixture
def paths(template: Path, tmp_path: Path) -> HomePaths:
    """A home of this test's own with such a search."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return HomePaths(home=tmp_path)


def whole(paths: HomePaths) -> set[int]:
    ledger = StudyLedger.open(open_storage(paths.storage_url), name="toy", settle=False)
    folder = paths.trials(ledger.search)
    found = {number: folder / f"{number:04d}" for number in range(6)}
    return {number for number, one in found.items() if any(one.glob("*/state.safetensors"))}


@pytest.mark.slow
def test_the_forecast_is_what_happens(paths: HomePaths) -> None:
    before = collection_of(paths, "toy", keep=RULE)
    done = collect(paths, "toy", keep=RULE)
    assert abs(before.bytes - done.bytes) < 100 * len(done.trials)
    assert done.bytes > 0.5 * sum(one.bytes for one in done.trials)
    assert collection_of(paths, "toy", keep=RULE).bytes == 0


def test_without_a_rule_it_asks_for_one_and_that_of_the_space_is_taken(tmp_path: Path, paths: HomePaths) -> None:
    with pytest.raises(UsageError, match=r"--keep: expected a rule.*give one: --keep best=5"):
        collection_of(paths, "toy")
    other = HomePaths(home=tmp_path / "other")
    other.home.mkdir()
    searched(other, toy_space(scheduler={"name": "none"}, keep={"best": 3, "encoder_only": "none", "per_rung": 0}))
    found = collection_of(other, "toy")
    assert [one.verdict.kept for one in found.trials] == [
        Kept.NOTHING, Kept.WHOLE, Kept.WHOLE, Kept.WHOLE, Kept.NOTHING,
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="worst"):
        collection_of(other, "toy", keep={"worst": "2"})


def test_one_that_runs_and_a_second_gc_are_refused(paths: HomePaths) -> None:
    with (
        search_lock(paths.lock("toy"), name="toy"),
        pytest.raises(UsageError, match="a search that is not running already"),
    ):
        collect(paths, "toy", keep=RULE)
    assert collection_of(paths, "toy", keep=RULE).bytes > 0  # looking is free
    assert whole(paths) == set(range(6))


def test_a_torn_checkpoint_and_a_full_disk_stop_nothing(
    paths: HomePaths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (torn,) = paths.search("toy").glob("trials-*/0000/epoch-000009/state.safetensors")
    torn.write_bytes(b"torn")
    cut = checkpoint_files.keep_encoder_alone

    def full_at_2(folder: Path) -> None:
        if folder.parent.name == "0002":
            raise OSError(28, "No space left on device")
        cut(folder)

    monkeypatch.setattr(checkpoint_files, "keep_encoder_alone", full_at_2)
    collect(paths, "toy", keep=RULE)
    assert whole(paths) == {0, 1, 2, 5}
    assert "trial 0 stays as it is" in caplog.text
    assert "trial 2 stays as it is: [Errno 28]" in caplog.text


def test_runs_follow(tmp_path: Path) -> None:
    paths, tracker = HomePaths(home=tmp_path), MemoryTracker()
    ledger = searched(paths, toy_space(scheduler={"name": "none"}), tracker)
    assert all(
        "checkpoint" in kept.artifacts for kept in tracker.kept.values() if kept.run.tags.get("hico.trial", "5") < "5"
    )
    collect(paths, "toy", keep={"best": "1", "encoder_only": "none"})
    follow(tracker, paths, ledger)
    follow(tracker, paths, ledger)
    runs = {kept.run.tags["hico.trial"]: kept for kept in tracker.kept.values() if kept.parent}
    assert [number for number, kept in runs.items() if "checkpoint" in kept.artifacts] == ["1"]
    assert "hico.checkpoint" not in runs["1"].run.tags
    assert "not one of the best 1" in runs["0"].run.tags["hico.checkpoint"]


def killed_gc(home: Path, at: int) -> None:
    """A gc that is killed by SIGKILL in the middle of a cut, or between two."""
    cut, count = checkpoint_files.write_whole, iter(range(100))

    def killed(file: Path, content: bytes) -> None:
        if next(count) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        cut(file, content)

    checkpoint_files.write_whole = killed  # type: ignore[assignment]
    collect(HomePaths(home=home), "toy", keep=RULE)


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 1, 4])
def test_killed_it_leaves_what_can_be_read_and_the_next_one_finishes(at: int, paths: HomePaths) -> None:
    process = multiprocessing.get_context("spawn").Process(target=killed_gc, args=(paths.home, at))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    folders = list(paths.search("toy").glob("trials-*/*/epoch-000009"))
    assert len(folders) == 6
    assert all(load_checkpoint(folder).epoch == 9 for folder in folders)
    collect(paths, "toy", keep=RULE)
    assert whole(paths) == {1, 5}
    assert all(load_checkpoint(folder).epoch == 9 for folder in folders)
    assert len(list(paths.search("toy").glob(f"trials-*/*/{RECORD}"))) == 4


@pytest.mark.slow
def test_two_at_once_take_nothing_twice(paths: HomePaths) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=main, args=(["gc", "toy", "--keep", "best=1,per_rung=0", "--yes", "--home",
            str(paths.home)],)) for _ in range(2)]  # fmt: skip
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert whole(paths) == {1, 5}
