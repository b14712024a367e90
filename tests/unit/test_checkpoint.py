from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from hico_platform.errors import CheckpointError


def save(directory: Path, epoch: int, *, value: float = 0.5) -> Path:
    tensors = {"model/weight": torch.full((3, 2), float(epoch)), "random/views": torch.arange(4, dtype=torch.uint8)}
    return save_checkpoint(directory, epoch=epoch, tensors=tensors, facts={"epoch": epoch, "metrics": {"a": value}})


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


HARMS = ["cut", "flip", "no facts", "half facts", "no tensors", "other facts", "other epoch", "no digest"]


@pytest.mark.parametrize("harm", HARMS)
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
        case "other facts":
            facts.write_text(facts.read_text().replace('"a": 0.5', '"a": 0.9'))
        case "other epoch":
            path = path.rename(tmp_path / "epoch-000020")
        case "no digest":
            facts.write_text(json.dumps({"schema_version": 2, "epoch": 2, "facts": {}}))
    with pytest.raises(CheckpointError, match=path.name):
        load_checkpoint(path)
    with caplog.at_level(logging.WARNING):
        newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.epoch == 1
    assert path.name in caplog.text
    assert sorted(folder.name[:14] for folder in tmp_path.iterdir()) == [".refused-epoch", "epoch-000001"]


def test_other_schema_version_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    content = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**content, "schema_version": 99}))
    for read in (lambda: load_checkpoint(path), lambda: newest_checkpoint(tmp_path)):
        with pytest.raises(CheckpointError, match="schema version 2 or 3, got 99; use the version that wrote it"):
            read()


def test_facts_come_back_as_json_holds_them(tmp_path: Path) -> None:
    facts = {"history": [(10, {"loss": float("inf")}), (9, {})], 2: "two", 10: "ten"}
    path = save_checkpoint(tmp_path, epoch=3, tensors={}, facts=facts)
    assert load_checkpoint(path).facts == {"history": [[10, {"loss": float("inf")}], [9, {}]], "2": "two", "10": "ten"}


def test_views_of_one_tensor_are_saved_each_for_itself(tmp_path: Path) -> None:
    flat = torch.arange(6.0)
    path = save_checkpoint(tmp_path, epoch=1, tensors={"a": flat[:2], "b": flat[2:].view(2, 2)}, facts={})
    tensors = load_checkpoint(path).tensors
    assert tensors["a"].tolist() == [0, 1]
    assert tensors["b"].tolist() == [[2, 3], [4, 5]]


def test_an_epoch_saved_again_replaces_the_first(tmp_path: Path) -> None:
    for epoch, value in ((1, 0.1), (2, 0.2), (2, 0.3), (2, 0.4)):
        save(tmp_path, epoch, value=value)
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert (newest.epoch, newest.facts["metrics"]) == (2, {"a": 0.4})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-000001", "epoch-000002-2"]


def test_a_name_taken_meanwhile_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename
    calls = []

    def late(self: Path, target: Path) -> Path:
        if not calls:
            shutil.copytree(self, target)
        calls.append(target.name)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    assert save(tmp_path, 4).name == "epoch-000004-1"
    assert calls == ["epoch-000004", "epoch-000004-1"]


def test_what_a_killed_writer_left_is_removed_later(tmp_path: Path) -> None:
    old, new = tmp_path / ".writing-old", tmp_path / ".writing-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    save(tmp_path, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".writing-new", "epoch-000001"]


def _save_killed(directory: Path, epoch: int, call: int) -> None:
    """Saves, and is killed before the ``call``-th thing that reaches the disk."""
    count = 0

    def counted(function: Callable) -> Callable:
        def counting(*arguments, **options):
            nonlocal count
            if count == call:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            return function(*arguments, **options)

        return counting

    tempfile.mkdtemp = counted(tempfile.mkdtemp)
    os.fsync = counted(os.fsync)
    os.unlink = counted(os.unlink)  # of each file that a removal takes
    Path.rename = counted(Path.rename)
    shutil.rmtree = counted(shutil.rmtree)
    save(directory, epoch, value=0.7)


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [3, 4], ids=["the same epoch again", "the next epoch"])
def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(epoch: int, tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    for call in range(100):
        directory = tmp_path / str(call)
        save(directory, 2)
        save(directory, 3)
        child = fork.Process(target=_save_killed, args=(directory, epoch, call))
        child.start()
        child.join()
        newest = newest_checkpoint(directory)
        assert newest is not None
        found = (newest.epoch, newest.facts["metrics"]["a"])
        assert found in {(3, 0.5), (epoch, 0.7)}
        assert not [path for path in directory.iterdir() if path.name.startswith(".refused")]
        if child.exitcode == 0:
            assert found == (epoch, 0.7)
            assert call > 6
            return
        assert child.exitcode == -signal.SIGKILL
    pytest.fail("the writer never came to its end")


def test_failed_write_leaves_nothing_and_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-000001"]
