"""A rule's verdict is carried out in a store, and waits for what is not uploaded yet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import save_checkpoint
from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.search.keep_rule import Kept, Verdict
from hico_platform.search.stored_checkpoints import StoredCheckpoints

_, ENCODER, NOTHING = (Verdict(kept=kept, why="a reason") for kept in Kept)
LAST = "0003/epoch-000009"


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    store = CheckpointStore(f"file://{tmp_path}/there", "toy-1")
    for epoch in (8, 9):
        tensors = {"model/query.encoder.a": torch.randn(500), "optimiser/0/m": torch.randn(2000)}
        store.upload(save_checkpoint(tmp_path / "here", epoch=epoch, tensors=tensors, facts={}), "0003")
    return store


def test_a_removed_one_is_named_by_its_record(store: CheckpointStore) -> None:
    checkpoints = StoredCheckpoints(store)
    assert checkpoints.where(3, LAST) == store.address(LAST)
    checkpoints.apply(3, NOTHING, last=LAST, at_s=5.0)
    assert checkpoints.where(3, LAST) == "removed on 1970-01-01 00:00 UTC: a reason (keep)"


def test_an_encoder_is_named_with_its_address(store: CheckpointStore) -> None:
    StoredCheckpoints(store).apply(3, ENCODER, last=LAST, at_s=5.0)
    words = StoredCheckpoints(store).where(3, LAST)
    assert words == f"{store.address(LAST)} (encoder alone since 1970-01-01 00:00 UTC: a reason (keep))"


def test_what_is_not_uploaded_yet_is_waited_for(store: CheckpointStore) -> None:
    checkpoints = StoredCheckpoints(store)
    with pytest.raises(StoreAwayError, match="is not uploaded yet"):
        checkpoints.apply(3, NOTHING, last="0003/epoch-000027", at_s=0.0)
    assert len(store.names("0003")) == 2
    assert not checkpoints.apply(4, NOTHING, last=None, at_s=0.0), "a trial that failed before its first"


def test_where_the_store_is_away_the_address_is_known(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "read_json", lambda name: (_ for _ in ()).throw(StoreAwayError("away")))
    assert StoredCheckpoints(store).where(3, LAST) == store.address(LAST)
