"""A rule's verdict is carried out on disk, in an order that a kill cannot harm."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform import checkpoint_files
from hico_platform.checkpoint import load_checkpoint, save_checkpoint
from hico_platform.errors import CheckpointError
from hico_platform.search.keep_rule import Kept, Verdict
from hico_platform.search.trial_checkpoints import RECORD, KeptRecord, TrialCheckpoints, kept_record, record_from

WHOLE, ENCODER, NOTHING = (Verdict(kept=kept, why="a reason") for kept in Kept)


def trained(folder: Path, number: int = 3, *, epochs: tuple[int, ...] = (8, 9)) -> str:
    """Trains nothing, and returns the last checkpoint as the ledger has it."""
    for epoch in epochs:
        tensors = {"model/query.encoder.a": torch.randn(500), "optimiser/0/m": torch.randn(2000)}
        path = save_checkpoint(folder / f"{number:04d}", epoch=epoch, tensors=tensors, facts={})
    return f"{number:04d}/{path.name}"


def names(folder: Path, number: int = 3) -> list[str]:
    return sorted(one.name for one in (folder / f"{number:04d}").iterdir())


def test_whole_means_the_last_checkpoint_alone(tmp_path: Path) -> None:
    last, checkpoints = trained(tmp_path), TrialCheckpoints(tmp_path)
    before = checkpoints.size(3)
    after = checkpoints.size_after(3, WHOLE, last=last)
    assert checkpoints.apply(3, WHOLE, last=last, at_s=1.0)
    assert names(tmp_path) == ["epoch-000009"]
    assert (checkpoints.size(3), after) == (after, before // 2)
    assert not checkpoints.apply(3, WHOLE, last=last, at_s=1.0)


def test_from_whole_to_encoder_to_nothing(tmp_path: Path) -> None:
    last, checkpoints = trained(tmp_path), TrialCheckpoints(tmp_path)
    after = checkpoints.size_after(3, ENCODER, last=last)
    assert checkpoints.apply(3, ENCODER, last=last, at_s=0.0)
    assert names(tmp_path) == ["epoch-000009", RECORD]
    assert load_checkpoint(tmp_path / last).encoder_alone
    assert abs(checkpoints.size(3) - after) < 100
    assert str(kept_record(tmp_path / "0003")) == "encoder alone since 1970-01-01 00:00 UTC: a reason (keep)"
    assert not checkpoints.apply(3, ENCODER, last=last, at_s=1.0)
    assert not checkpoints.apply(3, WHOLE, last=last, at_s=1.0)  # it does not come back
    assert kept_record(tmp_path / "0003") == KeptRecord(kept=Kept.ENCODER, why="a reason", at_s=0.0)
    assert checkpoints.apply(3, NOTHING, last=last, at_s=60.0)
    assert names(tmp_path) == [RECORD]
    assert str(kept_record(tmp_path / "0003")) == "removed on 1970-01-01 00:01 UTC: a reason (keep)"
    assert not checkpoints.apply(3, NOTHING, last=last, at_s=90.0)
    assert (checkpoints.size(3), checkpoints.size_after(3, ENCODER, last=last)) == (0, 0)


def test_a_trial_without_a_checkpoint_is_nothing(tmp_path: Path) -> None:
    checkpoints = TrialCheckpoints(tmp_path)
    assert not any(checkpoints.apply(7, verdict, last=None, at_s=0.0) for verdict in (WHOLE, ENCODER, NOTHING))
    assert list(tmp_path.iterdir()) == []


def test_of_a_failed_trial_the_newest_stands(tmp_path: Path) -> None:
    trained(tmp_path)
    TrialCheckpoints(tmp_path).apply(3, ENCODER, last=None, at_s=0.0)
    assert names(tmp_path) == ["epoch-000009", RECORD]


@pytest.mark.parametrize("step", ["remove", "keep_encoder_alone"])
def test_killed_in_between_the_next_one_goes_on(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last, checkpoints = trained(tmp_path), TrialCheckpoints(tmp_path)

    def killed(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_files, step, killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.apply(3, ENCODER, last=last, at_s=0.0)
    assert load_checkpoint(tmp_path / last).epoch == 9
    assert checkpoints.apply(3, ENCODER, last=last, at_s=0.0)
    assert names(tmp_path) == ["epoch-000009", RECORD]


def test_on_a_full_disk_it_stays_whole_and_no_record_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, checkpoints = trained(tmp_path), TrialCheckpoints(tmp_path)

    def full(file: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_files, "write_whole", full)
        with pytest.raises(OSError, match="No space"):
            checkpoints.apply(3, ENCODER, last=last, at_s=0.0)
    assert checkpoints.record(3) is None
    assert names(tmp_path) == ["epoch-000009"], "the older one made room"
    assert checkpoints.apply(3, ENCODER, last=last, at_s=0.0)


def test_a_torn_one_stays(tmp_path: Path) -> None:
    last, checkpoints = trained(tmp_path), TrialCheckpoints(tmp_path)
    (tmp_path / last / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="matches its digest"):
        checkpoints.apply(3, ENCODER, last=last, at_s=0.0)
    assert (tmp_path / last / "state.safetensors").exists()
    assert checkpoints.size_after(3, ENCODER, last=last) == checkpoints.size(3)


@pytest.mark.parametrize("plain", [None, [], {}, {"kept": "half", "why": "", "at_s": 0}, {"kept": "removed"}])
def test_what_is_no_record_is_none(plain: object, tmp_path: Path) -> None:
    assert record_from(plain) is None
    (tmp_path / RECORD).write_text("{")
    assert kept_record(tmp_path) is None
