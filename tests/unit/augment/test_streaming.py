from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform import build
from hico_platform.augment.frames import StoredPoses
from hico_platform.augment.streaming import PREFETCHED_BATCHES, StreamedPoses
from hico_platform.augment.views import Views
from hico_platform.build import build_views
from hico_platform.data.store import Store
from tests.small import small_config, small_store

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store", count=24)


def streamed(store: Store) -> Views:
    views = build_views(small_config().views, store=store, device=CPU)
    assert isinstance(views.poses, StoredPoses)
    views.poses = StreamedPoses(views.poses, device=CPU)
    return views


def test_streamed_views_are_bit_for_bit_those_of_a_resident_dataset(store: Store) -> None:
    batches = torch.randperm(len(store), generator=torch.Generator().manual_seed(3)).split(5)
    found = []
    for views in (build_views(small_config().views, store=store, device=CPU), streamed(store)):
        generator = torch.Generator().manual_seed(1)
        found.append(
            [views.random(batch, generator=generator) for batch in views.prefetch(batches) for _ in range(2)]
            + [views.centre(batches[0], share=0.95)]
        )
    assert len(found[0]) == 2 * len(batches) + 1
    for resident, sent in zip(*found, strict=True):
        assert torch.equal(resident, sent)


def test_each_batch_is_sent_once_and_few_are_ahead(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    views = streamed(store)
    sent: list[int] = []
    send = StreamedPoses._send

    def noted(poses: StreamedPoses, indices: torch.Tensor) -> StoredPoses:
        sent.append(len(indices))
        return send(poses, indices)

    monkeypatch.setattr(StreamedPoses, "_send", noted)
    generator = torch.Generator().manual_seed(1)
    for used, batch in enumerate(views.prefetch(torch.arange(24).split(3)), start=1):
        for _ in range(2):
            views.random(batch, generator=generator)
        assert len(sent) <= used + PREFETCHED_BATCHES
    assert sent == [3] * 8


def test_an_epoch_left_early_leaves_no_thread_and_takes_still_work(store: Store) -> None:
    views = streamed(store)
    ahead = views.prefetch(torch.arange(24).split(3))
    next(ahead)
    ahead.close()  # type: ignore[attr-defined]
    assert views.centre(torch.arange(4), share=0.95).shape[0] == 4


def test_a_failure_to_read_reaches_the_loop(store: Store) -> None:
    with pytest.raises(IndexError):
        list(streamed(store).prefetch([torch.tensor([len(store)])]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_dataset_that_does_not_fit_is_streamed(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    device = torch.device("cuda")
    found = []
    for share, kind in ((0.5, StoredPoses), (0.0, StreamedPoses)):
        monkeypatch.setattr(build, "RESIDENT_SHARE", share)
        views = build_views(small_config().views, store=store, device=device)
        assert isinstance(views.poses, kind)
        generator = torch.Generator(device).manual_seed(1)
        batches = torch.arange(24, device=device).split(6)
        found.append([views.random(batch, generator=generator) for batch in views.prefetch(batches)])
    for resident, sent in zip(*found, strict=True):
        assert torch.equal(resident, sent)
