"""A trial whose checkpoints live in a store: uploaded beside the training, fetched by whoever goes on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import newest_checkpoint, save_checkpoint
from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.enums import Decision
from hico_platform.errors import UsageError
from hico_platform.search.messages import EpochReport, ReportFunction, TrialOutcome
from hico_platform.search.task import TrialTask
from hico_platform.worker import staging as module
from hico_platform.worker.staging import bring_what_waits, run_staged, spool_folder, spool_of
from tests.small import small_config


class Store:
    """A store in a folder that can be away, through every object that stands for it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = False
        self.store = CheckpointStore(f"file://{folder}/there", "toy-1")
        errors = CheckpointStore._errors

        @contextlib.contextmanager
        def maybe(store: CheckpointStore) -> Iterator[None]:
            if self.away:
                raise StoreAwayError("AWS Error: 500")
            with errors(store):
                yield

        monkeypatch.setattr(CheckpointStore, "_errors", maybe)

    def epochs(self, trial: str = "0003") -> list[int]:
        return [int(name.removeprefix("epoch-")) for name in self.store.names(trial)]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("HICO_STAGING", str(tmp_path / "spool"))
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(module, "END_PATIENCE_S", 0.2)
    monkeypatch.setattr(module, "CUT_OFF_PATIENCE_S", 0.2)
    monkeypatch.setattr(module.Spool.__init__, "__kwdefaults__", {"look_every_s": 0.02})
    yield Store(tmp_path, monkeypatch)
    spool_of.cache_clear()


def task(reported: int = 0) -> TrialTask:
    return TrialTask(
        number=3, config=small_config(), directory=Path("/nowhere/0003"), report_epochs=(2, 4), cpus=1, gpus=0,
        reported=reported,
    )  # fmt: skip


def training(
    *, stop_at: int | None = None, before: Callable[[int], None] = lambda epoch: None
) -> Callable[[TrialTask, ReportFunction], TrialOutcome]:
    """Trains to epoch 4 from the newest checkpoint; ``stop_at`` is interrupted."""

    def run(task: TrialTask, report: ReportFunction) -> TrialOutcome:
        begun = newest_checkpoint(task.directory)
        first = 0 if begun is None else begun.epoch
        for epoch in range(first + 1, 5):
            before(epoch)
            path = save_checkpoint(
                task.directory, epoch=epoch, tensors={"a": torch.tensor(epoch)}, facts={"from": first}
            )
            if epoch == stop_at:
                raise KeyboardInterrupt
            if epoch in task.report_epochs:
                report(EpochReport(epoch=epoch, metrics={}, history=(), checkpoint=path))
        return TrialOutcome(epoch=4, stopped_early=False, metrics={}, checkpoint=path)

    return run


def reported() -> tuple[list[str], ReportFunction]:
    found: list[str] = []

    def report(one: EpochReport) -> Decision:
        found.append(str(one.checkpoint))
        return Decision.CONTINUE

    return found, report


def test_reports_and_outcome_name_what_is_in_the_store_and_nothing_is_left_here(there: Store) -> None:
    names, report = reported()
    outcome = run_staged(task(), report, function=training(), store=there.store)
    assert names == ["0003/epoch-000002", "0003/epoch-000004"]
    assert str(outcome.checkpoint) == "0003/epoch-000004"
    assert there.epochs()[-1] == 4
    assert spool_of(there.store.url, there.store.folder).waiting() == []
    assert not spool_of(there.store.url, there.store.folder).directory("0003").exists()


def test_interrupted_another_machine_goes_on(there: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, report = reported()
    with pytest.raises(KeyboardInterrupt):
        run_staged(task(), report, function=training(stop_at=3), store=there.store)
    assert there.epochs()[-1] == 3
    spool_of.cache_clear()
    monkeypatch.setenv("HICO_STAGING", str(tmp_path / "another machine"))
    run_staged(task(reported=2), report, function=training(), store=there.store)
    content, _ = there.store.read("0003/epoch-000004")
    assert content["facts"] == {"from": 3}


def test_a_store_that_is_away_stops_no_trial_and_gets_all_when_it_is_back(
    there: Store, caplog: pytest.LogCaptureFixture
) -> None:
    names, report = reported()
    there.away = True
    outcome = run_staged(task(), report, function=training(), store=there.store)
    assert (outcome.epoch, len(names)) == (4, 2)
    assert "the checkpoint store is away, the trial goes on" in caplog.text
    assert "the last checkpoint of 0003 waits on" in caplog.text
    assert bring_what_waits(there.store, patience_s=0.1) == ["0003"]
    there.away = False
    assert bring_what_waits(there.store, patience_s=5) == []
    assert there.epochs() == [4]


def test_what_a_killed_process_left_is_brought_by_the_next(there: Store) -> None:
    left = spool_folder(there.store.url, there.store.folder) / "0003"
    save_checkpoint(left, epoch=3, tensors={"a": torch.tensor(3)}, facts={})
    assert bring_what_waits(there.store, patience_s=5) == []
    assert there.epochs() == [3]
    assert not left.exists()


@pytest.mark.parametrize("why", ["newer", "removed"])
def test_what_is_left_replaces_nothing_newer_and_brings_nothing_back(there: Store, why: str, tmp_path: Path) -> None:
    there.store.upload(save_checkpoint(tmp_path / "b", epoch=5, tensors={"a": torch.tensor(5)}, facts={}), "0003")
    if why == "removed":
        there.store.write_json("0003/kept.json", {"kept": "removed", "why": "", "at_s": 0})
        there.store.remove("0003/epoch-000005")
    left = spool_folder(there.store.url, there.store.folder) / "0003"
    save_checkpoint(left, epoch=3, tensors={"a": torch.tensor(3)}, facts={})
    bring_what_waits(there.store, patience_s=5)
    assert there.epochs() == ([5] if why == "newer" else [])


def test_a_trial_that_ends_before_its_first_checkpoint_waits_for_nothing(
    there: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CUT_OFF_PATIENCE_S", 3600)

    def fails(task: TrialTask, report: ReportFunction) -> TrialOutcome:
        raise RuntimeError("no batch can be made")

    with pytest.raises(RuntimeError, match="no batch"):
        run_staged(task(), lambda report: Decision.CONTINUE, function=fails, store=there.store)
    assert bring_what_waits(there.store, patience_s=3600) == []


def test_a_torn_one_is_not_uploaded_and_the_one_before_is(there: Store) -> None:
    left = spool_folder(there.store.url, there.store.folder) / "0003"
    for epoch in (2, 3):
        path = save_checkpoint(left, epoch=epoch, tensors={"a": torch.tensor(epoch)}, facts={})
    (path / "state.safetensors").write_bytes(b"torn")
    assert bring_what_waits(there.store, patience_s=5) == []
    assert there.epochs() == [2]


def test_one_that_has_reported_waits_for_the_store_and_a_new_one_does_not(there: Store) -> None:
    _, report = reported()
    run_staged(task(), report, function=training(), store=there.store)
    there.away = True
    began_s = time.monotonic()

    class Alive:
        signs = 0

        def alive(self, **_: object) -> None:
            self.signs += 1
            if time.monotonic() - began_s > 0.2:
                there.away = False

        def __call__(self, one: EpochReport) -> Decision:
            return Decision.CONTINUE

    alive = Alive()
    run_staged(task(reported=4), alive, function=training_from_4, store=there.store)
    assert time.monotonic() - began_s > 0.2
    assert alive.signs > 2, "its driver is told that it lives"


def training_from_4(task: TrialTask, report: ReportFunction) -> TrialOutcome:
    begun = newest_checkpoint(task.directory)
    assert begun is not None
    assert begun.epoch == 4
    return TrialOutcome(epoch=4, stopped_early=False, metrics={}, checkpoint=begun.path)


def test_a_spool_that_others_can_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("HICO_STAGING", str(tmp_path / "open"))
    with pytest.raises(UsageError, match="expected a folder that this user alone can write"):
        spool_folder("s3://a", "b")
