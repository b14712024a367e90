"""How the granularities of a branch are laid out, and visited by a recurrence."""

from __future__ import annotations

import torch

from hico_platform.ops.granularities import packing


def test_packing_visits_every_token_once_in_each_direction_longest_first() -> None:
    packed = packing((4, 2, 1), torch.device("cpu"))
    assert packed.counts == (3, 2, 1, 1)
    assert packed.bounds == [(0, 3), (3, 5), (5, 6), (6, 7)]
    assert packed.order.tolist() == [[0, 4, 6, 1, 5, 2, 3], [3, 5, 6, 2, 4, 1, 0]]
    assert packed.spans == ((0, 4), (4, 6), (6, 7))
    for order, inverse in zip(packed.order, packed.inverse, strict=True):
        assert order[inverse].tolist() == list(range(7))
