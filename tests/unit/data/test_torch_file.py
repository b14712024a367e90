from __future__ import annotations

import collections
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hico_platform.data import torch_file
from hico_platform.data.torch_file import StoredTensor, load_tensors, read_torch_file, texts_of
from hico_platform.errors import DataError


def tensors() -> dict[str, Tensor]:
    """Of every type, and such as lie in another's storage."""
    flat = torch.arange(24, dtype=torch.float32)
    return {
        "float32": torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),
        "float64": torch.tensor([1.5, -2.5], dtype=torch.float64),
        "float16": torch.tensor([0.5], dtype=torch.float16),
        "bfloat16": torch.tensor([0.5, 2.0], dtype=torch.bfloat16),
        "int64": torch.tensor([7]),
        "int32": torch.tensor([1, 2], dtype=torch.int32),
        "uint8": torch.tensor([255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 4),
        "part": flat[10:16].view(2, 3),
        "transposed": flat[:6].view(2, 3).T,
    }


def saved(folder: Path, content: Any, **options: Any) -> Path:
    file = folder / "a.pth.tar"
    torch.save(content, file, **options)
    return file


def test_tensors_are_those_that_were_saved(tmp_path: Path) -> None:
    expected = tensors()
    content = read_torch_file(saved(tmp_path, {"state_dict": expected, "epoch": 451}))
    assert content["epoch"] == 451
    stored = content["state_dict"]
    assert {name: each.shape for name, each in stored.items()} == {name: each.shape for name, each in expected.items()}
    found = load_tensors(tmp_path / "a.pth.tar", stored)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert found[name].is_contiguous()
        assert torch.equal(found[name], value), name


def test_a_checkpoint_of_a_training_is_read(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    optimiser = {"state": {0: {"momentum_buffer": torch.ones(4, 3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    file = saved(
        tmp_path,
        {
            "state_dict": model.state_dict(),  # with its attribute _metadata
            "optimizer": optimiser,
            "weights": collections.OrderedDict(a=nn.Parameter(torch.ones(2))),
        },
    )
    content = read_torch_file(file)
    assert list(content["state_dict"]) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert content["optimizer"]["param_groups"][0]["lr"] == 0.1
    assert isinstance(content["optimizer"]["state"][0]["momentum_buffer"], StoredTensor)
    assert torch.equal(load_tensors(file, content["weights"])["a"], torch.ones(2))


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, (str(Evil.folder),)

    folder = Path()


def test_nothing_of_a_file_is_run(tmp_path: Path) -> None:
    Evil.folder = tmp_path / "made"
    file = saved(tmp_path, {"state_dict": {}, "more": Evil()})
    with pytest.raises(
        DataError, match=r"tensors and plain containers alone, got 'posix.mkdir'.*nothing of it was run"
    ):
        read_torch_file(file)
    assert not Evil.folder.exists()


def test_what_a_refused_file_names_can_still_be_told(tmp_path: Path) -> None:
    file = saved(tmp_path, {"blocks.0.attn.qkv.weight": torch.ones(1), "args": Evil()})
    assert "blocks.0.attn.qkv.weight" in texts_of(file)
    (tmp_path / "text").write_text("none")
    assert texts_of(tmp_path / "text") == ()


def test_other_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("a/b", "x")
    old = saved(tmp_path, {"a": torch.ones(1)}, _use_new_zipfile_serialization=False)
    script = tmp_path / "script.pt"
    torch.jit.script(nn.Linear(1, 1)).save(str(script))
    for file, said in (
        (tmp_path / "text", "a file of torch.save, got \"a text file that begins with 'hello'\""),
        (tmp_path / "zip", "a zip archive"),
        (old, "a file of PyTorch before 1.6.; save it again"),
        (script, "a program of TorchScript"),
        (tmp_path / "nothing", "a file that exists; check the path"),
        (tmp_path, "a file of torch.save"),
    ):
        with pytest.raises(DataError, match=said):
            read_torch_file(file)


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    whole = saved(tmp_path, {"a": torch.zeros(1000)})
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(tmp_path / "z", "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in archive.infolist():
            packed.writestr(entry.filename, archive.read(entry))
    with pytest.raises(DataError, match="compressed entries"):
        read_torch_file(tmp_path / "z")


def test_too_large_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path, {"a": torch.zeros(100)})
    monkeypatch.setattr(torch_file, "MOST_BYTES", 300)
    with pytest.raises(DataError, match="more than 300"):
        read_torch_file(file)
    monkeypatch.undo()
    monkeypatch.setattr(torch_file, "_MOST_PICKLE_BYTES", 10)
    with pytest.raises(DataError, match=r"data.pkl of [0-9]+ bytes, more than 10"):
        read_torch_file(file)


def test_a_tensor_larger_than_its_numbers_takes_no_memory(tmp_path: Path) -> None:
    file = saved(tmp_path, {"a": torch.zeros(1).expand(2**40)})
    with pytest.raises(DataError, match=r"no possible shape|in 1 numbers"):
        load_tensors(file, read_torch_file(file))
    file = saved(tmp_path, {"a": torch.zeros(1).expand(1000)})
    with pytest.raises(DataError, match=r"a tensor of shape \[1000\] in 1 numbers"):
        load_tensors(file, read_torch_file(file))


def test_a_damaged_file_is_refused_or_read(tmp_path: Path) -> None:
    whole = saved(tmp_path, {"a": torch.arange(6.0), "b": {"c": [1, 2.0, "x"]}}).read_bytes()
    drawn = random.Random(0)
    damaged = tmp_path / "damaged"
    refused = 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(drawn.randint(1, 4)):
            at = drawn.randrange(len(content))
            content[at : at + drawn.randint(0, 3)] = drawn.randbytes(drawn.randint(0, 3))
        damaged.write_bytes(content)
        try:
            found = read_torch_file(damaged)
            if isinstance(found, dict):
                load_tensors(damaged, {name: each for name, each in found.items() if isinstance(each, StoredTensor)})
        except DataError:
            refused += 1
    assert refused > 50
    damaged.write_bytes(whole[:-100])
    with pytest.raises(DataError):
        read_torch_file(damaged)
