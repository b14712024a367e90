from __future__ import annotations

import torch

from hico_platform.enums import QueueWrap, Representation
from hico_platform.model.queue import KeyQueue
from tests.unit.model.test_hico import make, tokens


def test_queue_sizes_and_wraps() -> None:
    full, released = make(), make(queue_wrap=QueueWrap.RELEASED)
    for model in (full, released):
        assert len(model.queue(Representation.CLIP).keys) == 4 * 12
        assert len(model.queue(Representation.INSTANCE).keys) == 12
    assert full.queue(Representation.CLIP).wrap_at == 4 * 12
    assert released.queue(Representation.CLIP).wrap_at == 12


def test_released_wrap_leaves_most_of_the_clip_queue_random() -> None:
    model = make(queue_wrap=QueueWrap.RELEASED)
    queue = model.queue(Representation.CLIP)
    start = queue.keys.clone()
    for _ in range(50):
        queue.push(torch.zeros(4 * 3, 8))
    assert torch.equal(queue.keys[12:], start[12:])
    assert not queue.keys[:12].any()


def numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count, dtype=torch.float32)[:, None]


def test_queue_replaces_the_oldest_and_wraps_without_dropping_keys() -> None:
    queue = KeyQueue(size=5, width=1, wrap_at=5)
    queue.push(numbered(1, 3))
    queue.push(numbered(4, 4))
    assert queue.keys.flatten().tolist() == [6, 7, 3, 4, 5]
    assert int(queue.pointer) == 2


def test_queue_keeps_the_last_keys_of_a_batch_larger_than_itself() -> None:
    queue = KeyQueue(size=3, width=1, wrap_at=3)
    queue.push(numbered(1, 7))
    assert sorted(queue.keys.flatten().tolist()) == [5, 6, 7]


def test_queue_size_need_not_be_a_multiple_of_the_batch() -> None:
    model = make()
    for seed in range(4):
        contrast = model(tokens(seed), tokens(seed + 9))
        contrast.losses.total.backward()
        model.enqueue(contrast.keys)
    assert int(model.queue(Representation.INSTANCE).pointer) == 20 % 12
    assert int(model.queue(Representation.CLIP).pointer) == 80 % 48
