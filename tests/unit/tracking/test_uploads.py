from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.search.kept_checkpoints import RECORD
from hico_platform.tracking.base import Run, RunStatus, TrackingError, TrackingRefused
from hico_platform.tracking.memory import Kept, MemoryTracker
from hico_platform.tracking.uploads import (
    CHECKPOINT,
    CHECKPOINT_TAG,
    KEPT,
    TAG_CHARACTERS,
    UPLOADS_TAG,
    WAITING,
    are_missing,
    is_outdated,
    keep_files,
)


@pytest.fixture
def tracker() -> MemoryTracker:
    return MemoryTracker()


@pytest.fixture
def run(tracker: MemoryTracker) -> Kept:
    run_id = tracker.open_run(
        experiment="toy", key="a", name="a", parent=None, params={}, tags={UPLOADS_TAG: WAITING}, at_s=0.0
    )
    return tracker.kept[run_id]


def test_texts_and_folders_are_kept_by_name_and_the_run_says_so_afterwards(
    tracker: MemoryTracker, run: Kept, tmp_path: Path
) -> None:
    assert are_missing(run.run)
    keep_files(tracker, run.run.run_id, {"config.yaml": "a: 1", "checkpoint": tmp_path})
    assert run.artifacts == {"config.yaml": "a: 1", "checkpoint": str(tmp_path)}
    assert run.run.tags[UPLOADS_TAG] == KEPT
    assert not are_missing(run.run)


def test_a_folder_that_was_removed_meanwhile_is_left_out(tracker: MemoryTracker, run: Kept, tmp_path: Path) -> None:
    keep_files(tracker, run.run.run_id, {"checkpoint": tmp_path / "gone", "log.txt": ""})
    assert run.artifacts == {"log.txt": ""}
    assert not are_missing(run.run)


@pytest.mark.parametrize("method", ["log_text", "log_folder"])
def test_a_refusal_is_noted_with_its_reason_and_the_files_stay_missing(
    tracker: MemoryTracker, run: Kept, tmp_path: Path, method: str
) -> None:
    tracker.refuses = {method}
    with pytest.raises(TrackingRefused):
        keep_files(tracker, run.run.run_id, {"config.yaml": "a: 1", "checkpoint": tmp_path})
    assert run.run.tags[UPLOADS_TAG] == f"refused: {method} is not allowed"
    assert are_missing(run.run)


def test_a_long_reason_fits_a_tag(tracker: MemoryTracker, run: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise TrackingRefused("x" * 9000)

    monkeypatch.setattr(tracker, "log_text", refuse)
    with pytest.raises(TrackingRefused):
        keep_files(tracker, run.run.run_id, {"a": ""})
    assert len(run.run.tags[UPLOADS_TAG]) == TAG_CHARACTERS


def test_a_store_that_is_away_leaves_the_files_waiting(tracker: MemoryTracker, run: Kept) -> None:
    tracker.away_at = {"log_text"}
    with pytest.raises(TrackingError):
        keep_files(tracker, run.run.run_id, {"a": ""})
    assert run.run.tags[UPLOADS_TAG] == WAITING


def test_runs_of_earlier_versions_ended_after_their_uploads() -> None:
    assert not are_missing(Run(run_id="r", key="a", status=RunStatus.FINISHED))


def test_of_a_checkpoint_that_the_rule_took_from_the_run_has_what_is_left_and_says_why(
    tracker: MemoryTracker, run: Kept, tmp_path: Path
) -> None:
    folder = tmp_path / "0003" / "epoch-000009"
    folder.mkdir(parents=True)
    files: dict[str, Path | str] = {CHECKPOINT: folder}
    keep_files(tracker, run.run.run_id, files)
    assert CHECKPOINT_TAG not in run.run.tags
    assert not is_outdated(run.run, files)
    for kept, shown in (("encoder alone", "encoder alone since"), ("removed", "removed on")):
        (folder.parent / RECORD).write_text(json.dumps({"kept": kept, "why": "not one of the best 1", "at_s": 0}))
        assert is_outdated(run.run, files)
        if kept == "removed":
            folder.rmdir()
        keep_files(tracker, run.run.run_id, files)
        assert run.run.tags[CHECKPOINT_TAG] == f"{shown} 1970-01-01 00:00 UTC: not one of the best 1 (keep)"
        assert not is_outdated(run.run, files)
        assert run.artifacts == ({} if kept == "removed" else {CHECKPOINT: str(folder)})
