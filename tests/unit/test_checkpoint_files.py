"""A checkpoint cut down to its encoder: what is left, and what a kill between two steps leaves."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hico_platform import checkpoint_files as module
from hico_platform.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from hico_platform.checkpoint_files import (
    TornCheckpointError,
    encoder_bytes,
    folders,
    is_encoder_alone,
    keep_encoder_alone,
    remove,
)
from hico_platform.errors import CheckpointError
from hico_platform.search.disk_use import folder_bytes

ENCODER = {
    "model/query.encoder.weight": torch.randn(7, 3),
    "model/query.encoder.bias": torch.randn(5).to(torch.bfloat16),
    "model/query.encoder.count": torch.tensor(3, dtype=torch.int64),
}


def save(directory: Path, epoch: int = 4) -> Path:
    tensors = {
        **ENCODER,
        "model/key.encoder.weight": torch.randn(7, 3),
        "optimiser/0/momentum": torch.randn(7, 3),
        "random/views": torch.arange(9, dtype=torch.uint8),
    }
    return save_checkpoint(directory, epoch=epoch, tensors=tensors, facts={"config": {"a": 1}})


def flip(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_the_encoder_is_left_to_the_last_bit(tmp_path: Path) -> None:
    path = save(tmp_path)
    expected = encoder_bytes(path)
    assert not is_encoder_alone(path)
    keep_encoder_alone(path)
    found = load_checkpoint(path)
    assert found.encoder_alone
    assert (found.epoch, found.facts) == (4, {"config": {"a": 1}})
    assert found.tensors.keys() == ENCODER.keys()
    for name, tensor in ENCODER.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)
    assert sorted(file.name for file in path.iterdir()) == ["encoder.safetensors", "state.json"]
    assert encoder_bytes(path) == folder_bytes(path)
    assert abs(expected - encoder_bytes(path)) < 100
    keep_encoder_alone(path)  # once more changes nothing
    assert load_checkpoint(path).encoder_alone


def test_no_training_goes_on_from_an_encoder(tmp_path: Path) -> None:
    save(tmp_path, 3)
    keep_encoder_alone(save(tmp_path, 4))
    with pytest.raises(CheckpointError, match=r"epoch-000004: expected a whole training state to go on from"):
        newest_checkpoint(tmp_path)


@pytest.mark.parametrize("at", ["write encoder", "write facts", "remove tensors"])
def test_killed_at_any_step_it_can_be_read_and_finished(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path)
    write = module.write_whole

    def killed_write(file: Path, content: bytes) -> None:
        if (at == "write encoder") == (file.name == "encoder.safetensors"):
            file.with_name(f".{file.name}.1.ab").write_bytes(content[:5])
            raise KeyboardInterrupt
        write(file, content)

    unlink = Path.unlink

    def killed_unlink(file: Path, **more: bool) -> None:
        if file.name == "state.safetensors":
            raise KeyboardInterrupt
        unlink(file, **more)

    with monkeypatch.context() as patched:
        if at == "remove tensors":
            patched.setattr(Path, "unlink", killed_unlink)
        else:
            patched.setattr(module, "write_whole", killed_write)
        with pytest.raises(KeyboardInterrupt):
            keep_encoder_alone(path)
    assert load_checkpoint(path).encoder_alone == (at == "remove tensors")
    keep_encoder_alone(path)
    assert load_checkpoint(path).encoder_alone
    assert sorted(file.name for file in path.iterdir()) == ["encoder.safetensors", "state.json"]


def test_a_full_disk_leaves_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path)

    def full(file: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_whole", full)
        with pytest.raises(OSError, match="No space"):
            keep_encoder_alone(path)
    assert not load_checkpoint(path).encoder_alone


def test_a_torn_one_is_not_cut(tmp_path: Path) -> None:
    path = save(tmp_path)
    flip(path / "state.safetensors")
    with pytest.raises(TornCheckpointError, match="matches its digest"):
        keep_encoder_alone(path)
    assert (path / "state.safetensors").exists()


def test_a_reader_that_comes_between_reads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path)
    read = Path.read_bytes
    seen: list[str] = []

    def slow(file: Path) -> bytes:
        content = read(file)
        seen.append(file.name)
        if len(seen) == 1:  # the facts of the whole one are read, and it is cut before its tensors are
            with monkeypatch.context() as patched:
                patched.setattr(Path, "read_bytes", read)
                keep_encoder_alone(path)
        return content

    monkeypatch.setattr(Path, "read_bytes", slow)
    assert load_checkpoint(path).encoder_alone


def test_an_encoder_with_a_wrong_digest_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path)
    keep_encoder_alone(path)
    flip(path / "encoder.safetensors")
    with pytest.raises(TornCheckpointError, match="matches its digest"):
        load_checkpoint(path)


def test_removed_half_it_is_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(module.shutil, "rmtree", lambda *_, **__: None)
        remove(path)
    assert newest_checkpoint(tmp_path) is None
    remove(path)
    assert folders(tmp_path) == []


@pytest.mark.slow
def test_without_torch() -> None:
    code = (
        "import sys, hico_platform.search.checkpoint_keeper, hico_platform.search.trial_checkpoints; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
