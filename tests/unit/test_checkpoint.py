from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from hico_platform.errors import CheckpointError


def save(directory: Path, epoch: int) -> Path:
    tensors = {"model/weight": torch.full((3, 2), float(epoch)), "random/views": torch.arange(4, dtype=torch.uint8)}
    return save_checkpoint(directory, epoch=epoch, tensors=tensors, facts={"epoch": epoch, "metrics": {"a": 0.5}})


def test_round_trip_and_order(tmp_path: Path) -> None:
    for epoch in (1, 2, 10):
        save(tmp_path, epoch)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-000002", "epoch-000010"]
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert (newest.epoch, newest.facts["metrics"]) == (10, {"a": 0.5})
    assert torch.equal(newest.tensors["model/weight"], torch.full((3, 2), 10.0))
    assert newest.tensors["random/views"].dtype == torch.uint8


def test_nothing_there(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "missing") is None


@pytest.mark.parametrize("harm", ["cut", "flip", "no facts", "half facts", "no tensors"])
def test_torn_checkpoint_is_named_and_the_one_before_used(
    harm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    tensors, facts = path / "state.safetensors", path / "state.json"
    content = tensors.read_bytes()
    match harm:
        case "cut":
            tensors.write_bytes(content[:-5])
        case "flip":
            tensors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "no facts":
            facts.unlink()
        case "half facts":
            facts.write_text(facts.read_text()[:20])
        case "no tensors":
            tensors.unlink()
    with pytest.raises(CheckpointError, match="epoch-000002"):
        load_checkpoint(path)
    with caplog.at_level(logging.WARNING):
        newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.epoch == 1
    assert "epoch-000002" in caplog.text


def test_other_schema_version_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    content = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**content, "schema_version": 99}))
    with pytest.raises(CheckpointError, match="schema version 1; got 99; use the version that wrote it"):
        load_checkpoint(path)


def test_failed_write_leaves_nothing_and_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-000001"]
