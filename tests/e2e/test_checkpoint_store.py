"""Checkpoints in servers of S3's and Google's kind, through one between that answers 500, hangs up and is slow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hico_platform import object_store
from hico_platform.checkpoint import load_checkpoint, save_checkpoint
from hico_platform.checkpoint_files import TornCheckpointError
from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError, newest_whole
from hico_platform.commands.trained_encoder import fetched_checkpoint
from hico_platform.worker.staging import Spool
from tests.e2e.flaky_proxy import FlakyProxy, flaky_proxy
from tests.e2e.gs_store import gs_store
from tests.e2e.s3_store import s3_store

pytestmark = pytest.mark.e2e
TENSORS = {"model/query.encoder.a": torch.randn(5000), "optimiser/0/m": torch.randn(20000)}


STORES = {"s3": s3_store, "gs": gs_store}
ADDRESSES = {
    "s3": "s3://hico/a?endpoint_override={at}&scheme=http&region=us-east-1",
    "gs": "gs://anonymous@hico/a?endpoint_override={at}&scheme=http",
}


@pytest.fixture(scope="module", params=list(STORES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def proxy(kind: str) -> Iterator[FlakyProxy]:
    with STORES[kind]() as endpoint:
        if endpoint is None:
            pytest.skip(f"no package that brings a store of {kind}://")
        with flaky_proxy(endpoint) as proxy:
            yield proxy


@pytest.fixture
def store(
    kind: str, proxy: FlakyProxy, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> CheckpointStore:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(object_store, "RETRY_S", 3)
    proxy.mode, proxy.slow_s = "ok", 0.0
    folder = request.node.name.partition("[")[0]
    return CheckpointStore(ADDRESSES[kind].format(at=proxy.address), folder)


def save(directory: Path, epoch: int) -> Path:
    return save_checkpoint(directory, epoch=epoch, tensors=TENSORS, facts={"epoch": epoch})


def test_uploaded_fetched_cut_and_removed(store: CheckpointStore, tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        store.upload(save(tmp_path / "here", epoch), "0003")
    assert store.names("0003") == ["epoch-000002", "epoch-000003"]
    with fetched_checkpoint(store.address("0003")) as folder:
        found = load_checkpoint(folder)
    assert found.epoch == 3
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())
    before = store.sizes("0003")["epoch-000003"]
    store.keep_encoder_alone("0003/epoch-000003")
    assert store.sizes("0003")["epoch-000003"] < before / 3
    assert load_checkpoint(store.fetch("0003/epoch-000003", tmp_path / "fetched")).encoder_alone
    store.remove("0003/epoch-000003")
    assert store.names("0003") == ["epoch-000002"]
    store.remove("")
    assert store.names("0003") == []


def test_a_wrong_digest_is_refused_and_the_one_before_used(store: CheckpointStore, tmp_path: Path) -> None:
    for epoch in (1, 2):
        store.upload(save(tmp_path / "here", epoch), "0003")
    (tensors,) = (one for one in store._list("0003/epoch-000002") if one.path.endswith(".safetensors"))
    with store._filesystem.open_output_stream(tensors.path) as stream:
        stream.write(b"something else")
    with pytest.raises(TornCheckpointError, match="matches its digest"):
        store.fetch("0003/epoch-000002", tmp_path / "fetched")
    found = newest_whole(store, "0003", tmp_path / "fetched")
    assert found is not None
    assert found.name == "epoch-000001"


@pytest.mark.parametrize("mode", ["500", "away"])
def test_a_store_that_fails_and_comes_back_gets_all(
    mode: str, store: CheckpointStore, proxy: FlakyProxy, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir()
    spool = Spool(store, tmp_path / "spool", look_every_s=0.1)
    with spool.held("0003", alive=lambda **_: None) as directory:
        save(directory, 1)
        assert spool.flush("0003", patience_s=30)
        proxy.mode = mode
        for epoch in (2, 3, 4):
            save(directory, epoch)
        assert not spool.flush("0003", patience_s=1)
        with pytest.raises(StoreAwayError):  # after seconds, as the spool's thread is told at the same time
            store.names("0003")
        proxy.mode = "ok"
        assert spool.flush("0003", patience_s=60)
        assert store.names("0003")[-1] == "epoch-000004"
    assert load_checkpoint(store.fetch("0003/epoch-000004", tmp_path / "fetched")).epoch == 4


def test_killed_in_mid_upload_the_one_before_is_read(store: CheckpointStore, proxy: FlakyProxy, tmp_path: Path) -> None:
    store.upload(save(tmp_path / "here", 1), "0003")
    path = save(tmp_path / "here", 2)
    code = (
        "import sys; from pathlib import Path; from hico_platform.checkpoint_store import CheckpointStore; "
        "CheckpointStore(sys.argv[1], sys.argv[2]).upload(Path(sys.argv[3]), '0003')"
    )
    proxy.slow_s = 1.0
    proxy.requests.clear()
    process = subprocess.Popen([sys.executable, "-c", code, store.url, store.folder, str(path)])
    end_s = time.monotonic() + 60
    while not any(request.startswith("PUT") for request in proxy.requests):
        assert time.monotonic() < end_s
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1.5)  # what was under way arrives
    assert store.names("0003") == ["epoch-000001"]
    proxy.slow_s = 0.0
    store.upload(path, "0003")
    assert load_checkpoint(store.fetch("0003/epoch-000002", tmp_path / "fetched")).epoch == 2
