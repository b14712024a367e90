"""Checkpoints on disk, where there may be no room; what they have in common with a store's: test_kept_checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform import checkpoint_files
from hico_platform.checkpoint import save_checkpoint
from hico_platform.search.keep_rule import Kept, Verdict
from hico_platform.search.kept_checkpoints import RECORD
from hico_platform.search.trial_checkpoints import TrialCheckpoints, kept_record

ENCODER = Verdict(kept=Kept.ENCODER, why="a reason")


def test_on_a_full_disk_it_stays_whole_and_no_record_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for epoch in (8, 9):
        tensors = {"model/query.encoder.a": torch.randn(500), "optimiser/0/m": torch.randn(2000)}
        path = save_checkpoint(tmp_path / "0003", epoch=epoch, tensors=tensors, facts={})
    last, checkpoints = f"0003/{path.name}", TrialCheckpoints(tmp_path)

    def full(file: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_files, "write_whole", full)
        with pytest.raises(OSError, match="No space"):
            checkpoints.apply(3, ENCODER, last=last, at_s=0.0)
    assert checkpoints.record(3) is None
    assert [one.name for one in (tmp_path / "0003").iterdir()] == ["epoch-000009"], "the older one made room"
    assert checkpoints.apply(3, ENCODER, last=last, at_s=0.0)


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text("{")
    assert kept_record(tmp_path) is None
