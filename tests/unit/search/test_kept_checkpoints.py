"""A rule's verdict is carried out in one order, in a home and in a store, which a kill cannot harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint, save_checkpoint
from hico_platform.checkpoint_files import TENSORS, WHOLE
from hico_platform.checkpoint_store import CheckpointStore
from hico_platform.errors import CheckpointError
from hico_platform.search.keep_rule import Kept, Verdict
from hico_platform.search.kept_checkpoints import RECORD, KeptCheckpoints, KeptRecord, record_from
from hico_platform.search.stored_checkpoints import StoredCheckpoints
from hico_platform.search.trial_checkpoints import TrialCheckpoints

KEEP_WHOLE, KEEP_ENCODER, KEEP_NOTHING = (Verdict(kept=kept, why="a reason") for kept in Kept)
LAST = "0003/epoch-000009"


class Place:
    """Trial 3 with its checkpoints of epochs 8 and 9, in a home or in a store that is a folder."""

    def __init__(self, folder: Path, *, in_a_store: bool) -> None:
        self.root = folder / ("there" if in_a_store else "here")
        store = CheckpointStore(f"file://{self.root}") if in_a_store else None
        for epoch in (8, 9):
            tensors = {"model/query.encoder.a": torch.randn(500), "optimiser/0/m": torch.randn(2000)}
            path = save_checkpoint(folder / "here" / "0003", epoch=epoch, tensors=tensors, facts={})
            if store is not None:
                store.upload(path, "0003")
        self.store = store
        self.checkpoints: KeptCheckpoints = TrialCheckpoints(self.root) if store is None else StoredCheckpoints(store)

    def names(self) -> list[str]:
        return sorted(one.name for one in (self.root / "0003").iterdir())

    def load(self, into: Path) -> object:
        path = self.root / LAST if self.store is None else self.store.fetch(LAST, into)
        return load_checkpoint(path).encoder_alone

    def tear(self) -> None:
        (tensors,) = (self.root / LAST).glob("*.safetensors")
        tensors.write_bytes(b"torn")


@pytest.fixture(params=["home", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, in_a_store=request.param == "store")


def test_whole_means_the_last_checkpoint_alone(place: Place) -> None:
    before = place.checkpoints.size(3)
    after = place.checkpoints.size_after(3, KEEP_WHOLE, last=LAST)
    assert place.checkpoints.apply(3, KEEP_WHOLE, last=LAST, at_s=1.0)
    assert place.names() == ["epoch-000009"]
    assert (place.checkpoints.size(3), after) == (after, before // 2)
    assert not place.checkpoints.apply(3, KEEP_WHOLE, last=LAST, at_s=1.0)


def test_from_whole_to_encoder_to_nothing(place: Place, tmp_path: Path) -> None:
    checkpoints = place.checkpoints
    after = checkpoints.size_after(3, KEEP_ENCODER, last=LAST)
    assert checkpoints.apply(3, KEEP_ENCODER, last=LAST, at_s=0.0)
    assert place.names() == ["epoch-000009", RECORD]
    assert place.load(tmp_path / "fetched") is True
    assert abs(checkpoints.size(3) - after) < 100
    assert str(checkpoints.record(3)) == "encoder alone since 1970-01-01 00:00 UTC: a reason (keep)"
    assert not checkpoints.apply(3, KEEP_ENCODER, last=LAST, at_s=1.0)
    assert not checkpoints.apply(3, KEEP_WHOLE, last=LAST, at_s=1.0)  # it does not come back
    assert checkpoints.record(3) == KeptRecord(kept=Kept.ENCODER, why="a reason", at_s=0.0)
    assert checkpoints.size_after(3, KEEP_ENCODER, last=LAST) == pytest.approx(checkpoints.size(3), abs=40)
    assert checkpoints.apply(3, KEEP_NOTHING, last=LAST, at_s=60.0)
    assert place.names() == [RECORD]
    assert str(checkpoints.record(3)) == "removed on 1970-01-01 00:01 UTC: a reason (keep)"
    assert not checkpoints.apply(3, KEEP_NOTHING, last=LAST, at_s=90.0)
    assert (checkpoints.size(3), checkpoints.size_after(3, KEEP_ENCODER, last=LAST)) == (0, 0)


def test_a_trial_without_a_checkpoint_is_nothing(place: Place) -> None:
    verdicts = (KEEP_WHOLE, KEEP_ENCODER, KEEP_NOTHING)
    assert not any(place.checkpoints.apply(7, verdict, last=None, at_s=0.0) for verdict in verdicts)
    assert [one.name for one in place.root.iterdir()] == ["0003"]


def test_of_a_failed_trial_the_newest_stands(place: Place) -> None:
    place.checkpoints.apply(3, KEEP_ENCODER, last=None, at_s=0.0)
    assert place.names() == ["epoch-000009", RECORD]


@pytest.mark.parametrize("verdict", [KEEP_ENCODER, KEEP_NOTHING], ids=["encoder", "nothing"])
@pytest.mark.parametrize("step", ["_remove", "_cut", "_write_record"])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_killed_at_any_step_the_next_one_goes_on(
    place: Place, step: str, done: bool, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: Callable[..., object] = getattr(place.checkpoints, step)

    def killed(*given: object) -> None:
        if done:
            whole(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(place.checkpoints, step, killed)
        if not (step == "_cut" and verdict is KEEP_NOTHING):
            with pytest.raises(KeyboardInterrupt):
                place.checkpoints.apply(3, verdict, last=LAST, at_s=0.0)
    if place.checkpoints.record(3) is None:
        assert "epoch-000009" in place.names(), "nothing goes without a record"
    place.checkpoints.apply(3, verdict, last=LAST, at_s=0.0)
    assert place.names() == ([RECORD] if verdict is KEEP_NOTHING else ["epoch-000009", RECORD])


def test_a_torn_one_stays(place: Place) -> None:
    place.tear()
    with pytest.raises(CheckpointError, match="matches its digest"):
        place.checkpoints.apply(3, KEEP_ENCODER, last=LAST, at_s=0.0)
    assert place.checkpoints.record(3) is None
    assert place.names() == ["epoch-000009"]
    assert place.checkpoints.size_after(3, KEEP_ENCODER, last=LAST) == place.checkpoints.size(3)
    if isinstance(place.checkpoints, TrialCheckpoints):
        assert (place.root / LAST / TENSORS[WHOLE]).exists()


@pytest.mark.parametrize("plain", [None, [], {}, {"kept": "half", "why": "", "at_s": 0}, {"kept": "removed"}])
def test_what_is_no_record_is_none(plain: object) -> None:
    assert record_from(plain) is None
