"""All granularities of a branch in one tensor: token after token, and step after step for a recurrence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Packing:
    """How the tokens of G granularities, laid one after another (P of them), are visited by a recurrence.

    At step t the granularities that have a t-th token go together, longest first; a backward direction takes its
    own t-th token from the end. So 64 + 32 + 16 + 8 tokens are 64 steps and not 120, without padding.

    ``order`` int64 (2, P): the token that each direction visits at each index. ``inverse`` (2, P) is its inverse.
    ``before`` (2, P): the token that a direction visits before each token, -1 for its first. ``counts``:
    granularities that go together at each step. ``spans``: first and last token (exclusive) of each granularity.
    """

    order: Tensor
    inverse: Tensor
    before: Tensor
    counts: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First and last index (exclusive) of each step in ``order``."""
        return list(pairwise([0, *accumulate(self.counts)]))


@lru_cache(maxsize=32)
def packing(lengths: tuple[int, ...], device: torch.device) -> Packing:
    """The packing of granularities of these lengths, which must not grow."""
    first = [0, *accumulate(lengths)]
    counts = tuple(sum(length > step for length in lengths) for step in range(lengths[0]))
    steps = [(step, granularity) for step, count in enumerate(counts) for granularity in range(count)]
    forwards = [first[granularity] + step for step, granularity in steps]
    backwards = [first[granularity] + lengths[granularity] - 1 - step for step, granularity in steps]
    order = torch.tensor([forwards, backwards])
    return Packing(
        order=order.to(device),
        inverse=order.argsort(dim=1).to(device),
        before=torch.tensor([_before(first, step=1), _before(first, step=-1)]).to(device),
        counts=counts,
        spans=tuple(pairwise(first)),
    )


def _before(bounds: list[int], *, step: int) -> list[int]:
    """The token that lies ``step`` before each in its granularity, or -1."""
    return [
        token - step if low <= token - step < high else -1
        for low, high in pairwise(bounds)
        for token in range(low, high)
    ]


@lru_cache(maxsize=32)
def lengths_tensor(lengths: tuple[int, ...]) -> Tensor:
    """The lengths of granularities as kernels take them."""
    return torch.tensor(lengths)
