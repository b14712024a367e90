"""The embedding of tokens, each alone; what follows wants all sequences' first tokens first."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.library import Kernels, kernels_for, suffix
from hico_platform.ops.cuda import usable
from hico_platform.ops.linear import PARTS, Linear, column_sums, multiplied


class Embedding(nn.Sequential):
    """Linear, LayerNorm, ReLU, Linear."""

    def __init__(self, token_width: int, width: int) -> None:
        super().__init__(Linear(token_width, width), nn.LayerNorm(width), nn.ReLU(), Linear(width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, token_width) to (L, N, D)."""
        first, norm, second = cast(Linear, self[0]), cast(nn.LayerNorm, self[1]), cast(Linear, self[3])
        parameters = first.weight, first.bias, norm.weight, norm.bias, second.weight, second.bias
        if usable(tokens, *parameters):
            from hico_platform.ops.cuda.norms import NormRelu

            return second(NormRelu.apply(first(tokens), norm.weight, norm.bias, norm.eps))  # type: ignore[no-any-return, no-untyped-call]
        kernels = kernels_for(tokens, *parameters)
        if kernels is None:
            return super().forward(tokens).transpose(0, 1)  # type: ignore[no-any-return, no-untyped-call]
        reduced = torch.is_autocast_enabled("cpu")
        if reduced:
            tokens = tokens.to(torch.get_autocast_dtype("cpu"))
        with torch.autocast("cpu", enabled=False):
            return _Embedding.apply(tokens, *parameters, norm.eps, kernels)  # type: ignore[no-any-return, no-untyped-call]


class _Embedding(torch.autograd.Function):
    """Both products, and by one kernel what lies between them."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, weight_2: Tensor,
        bias_2: Tensor, epsilon: float, kernels: Kernels,
    ) -> Tensor:  # fmt: skip
        """``tokens`` (N, L, token_width), ``weight`` (D, token_width), ``weight_2`` (D, D), the others (D,)."""
        (count, length, depth), dtype = tokens.shape, tokens.dtype
        weight, weight_2 = weight.to(dtype), weight_2.to(dtype)
        rows = tokens.reshape(-1, depth)
        given = multiplied(rows, weight.T, bias=bias.to(dtype))
        wanted = any(ctx.needs_input_grad)
        bent = torch.empty_like(given)  # (L*N, D)
        moments = torch.empty(len(given), 2) if wanted else None
        sizes = count, length, len(weight)
        kernels.call(f"norm_relu_forward_{suffix(dtype)}", given, *sizes, gamma, beta, epsilon, bent, moments)
        if wanted:
            ctx.save_for_backward(rows, given, bent, moments, weight, gamma, weight_2)
            ctx.sizes, ctx.kernels = sizes, kernels
        return multiplied(bent, weight_2.T, bias=bias_2.to(dtype)).view(length, count, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens, weights, biases, gamma and beta."""
        rows, given, bent, moments, weight, gamma, weight_2 = ctx.saved_tensors
        count, length, width = ctx.sizes
        arriving = gradients[0].to(rows.dtype).reshape(-1, width)
        of_bent, moved = multiplied(arriving, weight_2), torch.empty_like(given)
        sums = torch.empty(PARTS, 2, width)
        ctx.kernels.call(
            f"norm_relu_backward_{suffix(rows.dtype)}", given, bent, moments, of_bent, *ctx.sizes, gamma, moved, sums,
            PARTS,
        )  # fmt: skip
        of_gamma, of_beta = sums.sum(dim=0)
        of_tokens = multiplied(moved, weight).view(count, length, -1) if ctx.needs_input_grad[0] else None
        return (
            of_tokens, multiplied(moved.T, rows).float(), column_sums(moved), of_gamma, of_beta,
            multiplied(arriving.T, bent).float(), column_sums(arriving), None, None,
        )  # fmt: skip
