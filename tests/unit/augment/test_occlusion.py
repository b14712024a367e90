"""Occluded views."""

from __future__ import annotations

import pytest
import torch

from hico_platform.augment.occlusion import without_frames, without_parts

PARTS = ((0, 1), (2,), (3, 4, 5))
POSES = torch.rand(300, 10, 2, 6, 3, generator=torch.Generator().manual_seed(0)) + 1


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_whole_parts_are_missing_in_all_frames_and_bodies_and_the_rest_is_as_it_was(count: int) -> None:
    occluded = without_parts(POSES, parts=PARTS, count=count, generator=generator())
    missing = (occluded == 0).all(dim=-1).all(dim=2).all(dim=1)  # (N, J)
    assert torch.equal(missing, (occluded == 0).any(dim=-1).any(dim=2).any(dim=1))
    of_parts = torch.stack([missing[:, list(part)].all(dim=1) for part in PARTS], dim=1)
    assert torch.equal(of_parts, torch.stack([missing[:, list(part)].any(dim=1) for part in PARTS], dim=1))
    assert (of_parts.sum(dim=1) == count).all()
    if 0 < count < 3:
        assert (of_parts.float().mean(dim=0) - count / 3).abs().max() < 0.1, "each part as often as another"
    assert torch.equal(occluded.where(~missing[:, None, None, :, None], POSES), POSES)


@pytest.mark.parametrize(("share", "length"), [(0.0, 0), (0.25, 2), (0.5, 5), (1.0, 10)])
def test_one_block_of_frames_is_missing_anywhere(share: float, length: int) -> None:
    occluded = without_frames(POSES, share=share, generator=generator())
    missing = (occluded == 0).flatten(2).all(dim=2)  # (N, T)
    assert torch.equal(missing, (occluded == 0).flatten(2).any(dim=2))
    assert (missing.sum(dim=1) == length).all()
    begins = (missing & ~torch.nn.functional.pad(missing, (1, 0))[:, :-1]).sum(dim=1)
    assert (begins == (length > 0)).all(), "a single block"
    starts = missing.float().argmax(dim=1)
    if 0 < length < 10:
        assert set(starts.tolist()) == set(range(10 - length + 1)), "at every place"
    assert torch.equal(occluded.where(~missing[:, :, None, None, None], POSES), POSES)


def test_a_seed_gives_the_same_again_and_poses_are_left_as_they_are() -> None:
    before = POSES.clone()
    for occlude in (
        lambda seed: without_frames(POSES, share=0.3, generator=torch.Generator().manual_seed(seed)),
        lambda seed: without_parts(POSES, parts=PARTS, count=1, generator=torch.Generator().manual_seed(seed)),
    ):
        assert torch.equal(occlude(1), occlude(1))
        assert not torch.equal(occlude(1), occlude(2))
    assert torch.equal(POSES, before)
