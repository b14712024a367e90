"""All granularities of a branch in one tensor: token after token, and step after step for a recurrence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.library import kernels_for, suffix
from hico_platform.ops.cuda import usable


@dataclass(frozen=True, kw_only=True, eq=False)
class Packing:
    """How the tokens of G granularities, laid one after another (P of them), are visited by a recurrence.

    At step t the granularities that have a t-th token go together, longest first; a backward direction takes its
    own t-th token from the end. So 64 + 32 + 16 + 8 tokens are 64 steps and not 120, without padding.

    ``order`` int64 (2, P): the token at each place of each direction. ``place`` (2, P) is its inverse.
    ``before`` (2, P): the token that a direction visits before each token, -1 for its first. ``counts``:
    granularities that go together at each step. ``spans``: first and last token (exclusive) of each granularity.
    """

    order: Tensor
    place: Tensor
    before: Tensor
    counts: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First and last place (exclusive) of each step."""
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
        place=order.argsort(dim=1).to(device),
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


def token_maximum(tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """The maximum over the tokens of each granularity: (P, N, D) to (N, G, D)."""
    if usable(tokens):
        from hico_platform.ops.cuda.downsampling import TokenMaximum

        return TokenMaximum.apply(tokens, lengths)  # type: ignore[no-any-return, no-untyped-call]
    return _TokenMaximum.apply(tokens, lengths)  # type: ignore[no-any-return, no-untyped-call]


class _TokenMaximum(torch.autograd.Function):
    """As amax, whose gradient is shared out among equals, in three passes over the tokens instead of eight."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (N, G, D)."""
        kernels = kernels_for(tokens)
        if kernels is None:
            maximum = torch.stack([part.amax(dim=0) for part in tokens.split(lengths)], dim=1)
        else:
            tokens = tokens.contiguous()
            maximum = tokens.new_empty(tokens.shape[1], len(lengths), tokens.shape[2])
            kernels.call(f"maximum_forward_{suffix(tokens.dtype)}", tokens, *_sizes(tokens, lengths), maximum)
        ctx.save_for_backward(tokens, maximum)
        ctx.lengths = lengths
        return maximum

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """(N, G, D) to (P, N, D)."""
        tokens, maximum = ctx.saved_tensors
        spread = torch.empty_like(tokens)
        kernels = kernels_for(tokens)
        if kernels is not None:
            given, sizes = gradients[0].contiguous(), _sizes(tokens, ctx.lengths)
            kernels.call(f"maximum_backward_{suffix(tokens.dtype)}", tokens, maximum, *sizes, given, spread)
            return spread, None
        parts = zip(
            tokens.split(ctx.lengths), spread.split(ctx.lengths), maximum.unbind(1), gradients[0].unbind(1), strict=True
        )
        for part, of_part, highest, gradient in parts:
            torch.eq(part, highest, out=of_part)
            of_part.mul_(gradient / of_part.sum(dim=0))
        return spread, None


def _sizes(tokens: Tensor, lengths: tuple[int, ...]) -> tuple[Tensor, int, int, int]:
    return lengths_tensor(lengths), len(lengths), tokens.shape[1], tokens.shape[2]
