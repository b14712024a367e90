"""Checkpoints in a store: written whole, checked when read, cut and removed in an order that a kill cannot harm."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
from pathlib import Path

import pytest
import torch
from pyarrow import fs

from hico_platform.checkpoint import load_checkpoint, save_checkpoint
from hico_platform.checkpoint_files import TornCheckpointError
from hico_platform.checkpoint_store import (
    CheckpointStore,
    StoreAwayError,
    check_store,
    fetch_address,
    is_in_a_store,
    newest_whole,
)
from hico_platform.errors import UsageError

TENSORS = {"model/query.encoder.a": torch.randn(50), "optimiser/0/m": torch.randn(200)}


def save(directory: Path, epoch: int) -> Path:
    return save_checkpoint(directory, epoch=epoch, tensors=TENSORS, facts={"epoch": epoch})


@pytest.fixture(params=["file", "subtree"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointStore:
    if request.param == "file":
        return CheckpointStore(f"file://{tmp_path}/there", "toy-1")
    (tmp_path / "there").mkdir()
    tree = fs.SubTreeFileSystem(str(tmp_path / "there"), fs.LocalFileSystem())
    return CheckpointStore("", "toy-1", filesystem=tree)


def root(tmp_path: Path) -> Path:
    return tmp_path / "there" / "toy-1"


def test_what_is_uploaded_comes_back_to_the_last_bit(store: CheckpointStore, tmp_path: Path) -> None:
    for epoch in (1, 2, 10):
        store.upload(save(tmp_path / "here", epoch), "0003")
    assert store.names("0003") == ["epoch-000002", "epoch-000010"]
    assert store.names("0004") == []
    found = load_checkpoint(store.fetch("0003/epoch-000010", tmp_path / "fetched"))
    assert found.facts == {"epoch": 10}
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())
    assert store.sizes("0003").keys() == {"epoch-000002", "epoch-000010"}
    assert not list(root(tmp_path).rglob(".*")), "nothing temporary is left"


@pytest.mark.parametrize("harm", ["flip", "cut", "no tensors", "half facts", "other facts"])
def test_a_wrong_digest_is_refused_and_the_one_before_used(harm: str, store: CheckpointStore, tmp_path: Path) -> None:
    for epoch in (1, 2):
        store.upload(save(tmp_path / "here", epoch), "0003")
    folder = root(tmp_path) / "0003" / "epoch-000002"
    (tensors,), facts = folder.glob("*.safetensors"), folder / "state.json"
    content = tensors.read_bytes()
    match harm:
        case "flip":
            tensors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "cut":
            tensors.write_bytes(content[:-5])
        case "no tensors":
            tensors.unlink()
        case "half facts":
            facts.write_text(facts.read_text()[:20])
        case "other facts":
            facts.write_text(facts.read_text().replace('"epoch": 2\n', '"epoch": 3\n'))
    with pytest.raises(TornCheckpointError, match="epoch-000002"):
        store.fetch("0003/epoch-000002", tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()
    found = newest_whole(store, "0003", tmp_path / "fetched")
    assert found is not None
    assert load_checkpoint(found).epoch == 1


def test_cut_to_its_encoder_and_removed(store: CheckpointStore, tmp_path: Path) -> None:
    store.upload(save(tmp_path / "here", 1), "0003")
    before = store.sizes("0003")["epoch-000001"]
    for _ in range(2):
        store.keep_encoder_alone("0003/epoch-000001")
        found = load_checkpoint(store.fetch("0003/epoch-000001", tmp_path / f"fetched-{_}"))
        assert found.encoder_alone
        assert found.tensors.keys() == {"model/query.encoder.a"}
    assert store.sizes("0003")["epoch-000001"] < before
    assert len(list((root(tmp_path) / "0003" / "epoch-000001").iterdir())) == 2
    for _ in range(2):
        store.remove("0003/epoch-000001")
    assert store.names("0003") == []
    store.write_json("search.json", {})
    for _ in range(2):
        store.remove("")
    assert not root(tmp_path).exists()


def test_a_writer_that_is_refused_in_between_changes_nothing_that_is_read(
    store: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.upload(save(tmp_path / "here", 1), "0003")
    put = store._put

    def refuse_facts(name: str, content: bytes) -> None:
        if name.endswith("state.json"):
            raise StoreAwayError("away")
        put(name, content)

    monkeypatch.setattr(store, "_put", refuse_facts)
    with pytest.raises(StoreAwayError):
        store.upload(save(tmp_path / "here", 2), "0003")
    assert store.names("0003") == ["epoch-000001"]
    with pytest.raises(StoreAwayError):
        store.keep_encoder_alone("0003/epoch-000001")
    assert not load_checkpoint(store.fetch("0003/epoch-000001", tmp_path / "fetched")).encoder_alone
    monkeypatch.undo()
    store.keep_encoder_alone("0003/epoch-000001")
    assert len(list((root(tmp_path) / "0003" / "epoch-000001").iterdir())) == 2


def killed_upload(url: str, folder: Path, at: int) -> None:
    store = CheckpointStore(url)
    count, move = iter(range(9)), fs.LocalFileSystem.move

    class Killed(fs.LocalFileSystem):
        def move(self, *paths: str) -> None:
            if next(count) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            move(self, *paths)

    store._opened = Killed(), url.removeprefix("file://")
    store.upload(folder, "0003")


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 1])
def test_killed_in_mid_upload_nothing_half_written_is_read(at: int, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/there"
    store = CheckpointStore(url)
    store.upload(save(tmp_path / "here", 1), "0003")
    arguments = (url, save(tmp_path / "here", 2), at)
    process = multiprocessing.get_context("spawn").Process(target=killed_upload, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert store.names("0003") == ["epoch-000001"]
    store.upload(tmp_path / "here" / "epoch-000002", "0003")
    assert load_checkpoint(store.fetch("0003/epoch-000002", tmp_path / "fetched")).epoch == 2


def test_small_files(store: CheckpointStore) -> None:
    assert store.read_json("0003/kept.json") is None
    store.write_json("0003/kept.json", {"a": 1})
    assert store.read_json("0003/kept.json") == {"a": 1}


def test_it_travels_by_its_address_and_addresses_name_what_is_in_it(tmp_path: Path) -> None:
    there = CheckpointStore("s3://bucket/a?endpoint_override=http%3A%2F%2Fhost", "toy-1")
    again = pickle.loads(pickle.dumps(there))
    assert (again.url, again.folder) == (there.url, there.folder)
    assert there.address("0003/x") == "s3://bucket/a/toy-1/0003/x?endpoint_override=http%3A%2F%2Fhost"
    store = CheckpointStore(f"file://{tmp_path}/there")
    for epoch in (1, 2):
        store.upload(save(tmp_path / "here", epoch), "0003")
    for number, name in enumerate(("0003/epoch-000002", "0003")):
        found = fetch_address(store.address(name), tmp_path / f"fetched-{number}")
        assert json.loads((found / "state.json").read_text())["epoch"] == 2
    with pytest.raises(UsageError, match="expected a checkpoint, or a trial's folder, in a store"):
        fetch_address(store.address("0009"), tmp_path)


def test_addresses_of_stores() -> None:
    for url in ("s3://bucket", "gs://bucket/a", "file:///a"):
        check_store(url, field="--checkpoints")
        assert is_in_a_store(url)
    for url in ("bucket", "s3://", "http://a/b", "file:///", "/a"):
        with pytest.raises(UsageError, match=r"--checkpoints: expected an address such as s3://BUCKET"):
            check_store(url, field="--checkpoints")
    assert not any(is_in_a_store(one) for one in ("models:/a@champion", "/a", Path("/a")))


def test_a_folder_that_cannot_be_written_is_a_store_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a file")
    with pytest.raises(StoreAwayError, match="there"):
        CheckpointStore(f"file://{tmp_path}/there").write_json("a.json", {})
