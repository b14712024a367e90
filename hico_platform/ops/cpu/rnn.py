"""Bidirectional GRU and LSTM layers: both directions and all granularities go together.

What does not depend on the step before is one product each; see rnn_steps.py for the rest. Under bf16 autocast products
are bfloat16 while gates and cells stay float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops._backend import autocast_dtype, without_autocast
from hico_platform.ops.cpu.library import call
from hico_platform.ops.cpu.linear import add_matmul_, column_sums, matmul
from hico_platform.ops.cpu.rnn_steps import (
    GRU,
    LSTM,
    LayerSettings,
    Pointers,
    all_steps,
    backward_steps,
    forward_steps,
    steps_of,
)
from hico_platform.ops.granularities import Packing, packing


def supports(x: Tensor, *weights: Tensor, cell: str, hidden: int) -> bool:
    """Either cell, of any width."""
    return True


def rnn(x: Tensor, lengths: tuple[int, ...], cell: str, layers: list[tuple[Tensor, ...]]) -> Tensor:
    """(P, N, D) to (P, N, D); of each layer and direction W_ih, W_hh, b_ih and b_hh, the reverse direction's last."""
    packed, precision = packing(lengths, x.device), autocast_dtype(x)
    layer = {"gru": _Gru, "lstm": _Lstm}[cell]
    with without_autocast(x):
        for weights in layers:
            saves = torch.is_grad_enabled() and any(each.requires_grad for each in (x, *weights))
            x = layer.apply(x, LayerSettings(packed, precision, saves), *weights)
    return x


class _Factors(NamedTuple):
    """What a layer's products read, in their precision."""

    x: Tensor  # (P*N, D)
    weight_ih: list[Tensor]  # of each direction: (gates*H, D)
    weight_hh: list[Tensor]  # of each direction: (gates*H, H)

    @classmethod
    def cast(cls, settings: LayerSettings, x: Tensor, weights: tuple[Tensor, ...]) -> _Factors:
        """Of x (P, N, D) and a layer's weights in PyTorch's order."""
        cast = [weight.to(settings.precision).contiguous() for weight in weights]
        rows = x.to(settings.precision).reshape(-1, x.shape[2]).contiguous()
        return cls(rows, [cast[0], cast[4]], [cast[1], cast[5]])

    @classmethod
    def saved(cls, x: Tensor, *weights: Tensor) -> _Factors:
        """Of what :meth:`tensors` gave."""
        return cls(x, list(weights[:2]), list(weights[2:]))

    def tensors(self) -> tuple[Tensor, ...]:
        """All five, as autograd keeps them."""
        return self.x, *self.weight_ih, *self.weight_hh

    def input_gates(self, *, saves: bool) -> tuple[Tensor, Tensor | None]:
        """The tokens' part of the gates (P*N, 2*gates*H), and memory for float32 gates if one ``saves`` them."""
        product = self.x @ torch.cat(self.weight_ih).T
        if not saves:
            return product, None
        return product, product if product.dtype is torch.float32 else torch.empty_like(product, dtype=torch.float32)


class _Lstm(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: input, forget, cell, output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, settings: LayerSettings, *weights: Tensor) -> Tensor:
        """``x`` (P, N, D); of each direction W_ih (4H, D), W_hh (4H, H), b_ih and b_hh (4H,)."""
        (tokens, sequences, depth), (size, hidden) = x.shape, weights[1].shape
        factors, steps = _Factors.cast(settings, x, weights), steps_of(settings.packed, sequences, hidden)
        bias = torch.stack([weights[2] + weights[3], weights[6] + weights[7]])
        states = bias.new_empty(tokens, sequences, 2, hidden)
        if settings.one_call:
            gates = bias.new_empty(tokens * sequences, 2 * size) if settings.saves else None
            cells = torch.empty_like(states) if settings.saves else None
            weight_ih, weight_hh = Pointers(factors.weight_ih), Pointers(factors.weight_hh)
            all_steps(
                "forward", LSTM, steps, factors.x, depth, weight_ih.array, weight_hh.array, bias, None, gates, cells,
                states,
            )  # fmt: skip
        else:
            input_gates, gates = factors.input_gates(saves=settings.saves)
            cells = torch.empty_like(states)
            forward_steps(
                settings, "lstm", steps, torch.stack(factors.weight_hh), input_gates, gates, bias, cells, states
            )
        if settings.saves:
            ctx.save_for_backward(gates, cells, states, *factors.tensors())
            ctx.settings, ctx.dtype = settings, x.dtype
        return states.view(tokens, sequences, 2 * hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x and weights."""
        _refuse_a_second_time(ctx)
        gates, cells, states, *saved = ctx.saved_tensors
        settings: LayerSettings = ctx.settings
        factors = _Factors.saved(*saved)
        (tokens, sequences, _, hidden), size, depth = states.shape, 4 * states.shape[3], factors.x.shape[1]
        steps, grad_out = steps_of(settings.packed, sequences, hidden), gradients[0].float().contiguous()
        if settings.one_call:
            weight_hh, grad_gates = Pointers(factors.weight_hh), gates  # written over
            all_steps("backward", LSTM, steps, weight_hh.array, grad_out, gates, cells, states, grad_gates, None)
            grad_weight_ih = states.new_empty(2, size, depth)
            grad_weight_hh = states.new_empty(2, size, hidden)
            grad_bias = states.new_zeros(2, size)
            call(
                "rnn_weight_grad", tokens, sequences, size, depth, hidden, settings.packed.before, grad_gates,
                factors.x, states, grad_weight_ih, grad_weight_hh, grad_bias,
            )  # fmt: skip
            grad_x = matmul(grad_gates, torch.cat(factors.weight_ih))
        else:
            grad_gates = factors.x.new_empty(2, tokens * sequences, size)
            backward_steps(
                settings, "lstm", steps, torch.stack(factors.weight_hh), grad_gates, (grad_out, gates, cells)
            )  # fmt: skip
            grad_x, grad_weight_ih = _input_gradients(grad_gates, factors)
            grad_weight_hh = _state_weight_gradient(_by_token(grad_gates, sequences), states, settings.packed)
            grad_bias = torch.stack([column_sums(each) for each in grad_gates])
        # The biases' gradients are apart, for a gradient may be scaled in place.
        forwards, reverse = (
            (grad_weight_ih[d], grad_weight_hh[d], grad_bias[d], grad_bias[d].clone()) for d in range(2)
        )
        return grad_x.view(tokens, sequences, -1).to(ctx.dtype), None, *forwards, *reverse


class _Gru(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: reset, update, candidate."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, settings: LayerSettings, *weights: Tensor) -> Tensor:
        """As the LSTM's with 3H gates."""
        (tokens, sequences, depth), (size, hidden) = x.shape, weights[1].shape
        factors, steps = _Factors.cast(settings, x, weights), steps_of(settings.packed, sequences, hidden)
        # The candidate's state term is multiplied by the reset gate, so its bias stays apart.
        bias, bias_hh = torch.stack([weights[2], weights[6]]), torch.stack([weights[3], weights[7]])
        bias[:, : 2 * hidden] += bias_hh[:, : 2 * hidden]
        candidate_bias_hh = bias_hh[:, 2 * hidden :].contiguous()
        states = bias.new_empty(tokens, sequences, 2, hidden)
        candidate_hh = torch.empty_like(states) if settings.saves else None  # the candidate's state term
        if settings.one_call:
            gates = bias.new_empty(tokens * sequences, 2 * size) if settings.saves else None
            weight_ih, weight_hh = Pointers(factors.weight_ih), Pointers(factors.weight_hh)
            all_steps(
                "forward", GRU, steps, factors.x, depth, weight_ih.array, weight_hh.array, bias, candidate_bias_hh,
                gates, candidate_hh, states,
            )  # fmt: skip
        else:
            input_gates, gates = factors.input_gates(saves=settings.saves)
            forward_steps(
                settings, "gru", steps, torch.stack(factors.weight_hh), input_gates, gates, bias, candidate_bias_hh,
                candidate_hh, states,
            )  # fmt: skip
        if settings.saves:
            ctx.save_for_backward(gates, candidate_hh, states, *factors.tensors())
            ctx.settings, ctx.dtype = settings, x.dtype
        return states.view(tokens, sequences, 2 * hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x and weights."""
        _refuse_a_second_time(ctx)
        gates, candidate_hh, states, *saved = ctx.saved_tensors
        settings: LayerSettings = ctx.settings
        factors = _Factors.saved(*saved)
        (tokens, sequences, _, hidden), size = states.shape, 3 * states.shape[3]
        steps, grad_out = steps_of(settings.packed, sequences, hidden), gradients[0].float().contiguous()
        if settings.one_call:
            weight_hh, flat = Pointers(factors.weight_hh), gates  # the gates' gradient is written over them
            grad_candidate_hh = torch.empty_like(states)
            all_steps(
                "backward", GRU, steps, weight_hh.array, grad_out, gates, candidate_hh, states, flat,
                grad_candidate_hh,
            )  # fmt: skip
            grad_gates = flat.view(tokens, sequences, 2, size)
            grad_candidate_bias = column_sums(grad_candidate_hh.view(-1, 2 * hidden)).view(2, -1)
            grad_x = matmul(flat, torch.cat(factors.weight_ih))
            grad_weight_ih, grad_bias = matmul(flat.T, factors.x).view(2, size, -1), column_sums(flat).view(2, -1)
        else:
            by_direction = factors.x.new_empty(2, tokens * sequences, size)
            candidate_by_direction = factors.x.new_empty(2, tokens * sequences, hidden)
            backward_steps(
                settings, "gru", steps, torch.stack(factors.weight_hh), by_direction,
                (grad_out, gates, candidate_hh, states), candidate_by_direction,
            )  # fmt: skip
            grad_x, grad_weight_ih = _input_gradients(by_direction, factors)
            grad_bias, grad_candidate_bias = (
                torch.stack([column_sums(each) for each in both]) for both in (by_direction, candidate_by_direction)
            )
            grad_gates = _by_token(by_direction, sequences)
            grad_candidate_hh = _by_token(candidate_by_direction, sequences)
        grad_switches_hh = _state_weight_gradient(grad_gates[..., : 2 * hidden], states, settings.packed)
        grad_candidate_weight = _state_weight_gradient(grad_candidate_hh, states, settings.packed)
        grad_weight_hh = torch.cat([grad_switches_hh, grad_candidate_weight], dim=1)
        grad_bias_hh = torch.cat([grad_bias[:, : 2 * hidden], grad_candidate_bias], dim=1)
        forwards, reverse = ((grad_weight_ih[d], grad_weight_hh[d], grad_bias[d], grad_bias_hh[d]) for d in range(2))
        return grad_x.view(tokens, sequences, -1).to(ctx.dtype), None, *forwards, *reverse


def _refuse_a_second_time(ctx: Any) -> None:
    """A backward pass writes over what the forward pass saved."""
    if getattr(ctx, "spent", False):
        raise RuntimeError("a recurrent layer was differentiated twice: run its forward pass again")
    ctx.spent = True


def _input_gradients(grad_gates: Tensor, factors: _Factors) -> tuple[Tensor, Tensor]:
    """Of x (P*N, D) and both directions' W_ih (2, gates*H, D): ``grad_gates`` is (2, P*N, gates*H)."""
    grad_x = matmul(grad_gates[0], factors.weight_ih[0]).addmm_(grad_gates[1], factors.weight_ih[1])
    return grad_x, torch.stack([matmul(each.T, factors.x) for each in grad_gates]).float()


def _state_weight_gradient(grad_gates: Tensor, states: Tensor, packed: Packing) -> Tensor:
    """Of both directions' W_hh (2, gates*H, H): ``grad_gates`` (P, N, 2, gates*H) and the state before each token."""
    cast = states
    if states.dtype is not grad_gates.dtype:  # a direction's rows together: oneDNN copies what it finds apart
        by_direction = states.permute(2, 0, 1, 3)
        cast = torch.empty_like(by_direction, dtype=grad_gates.dtype, memory_format=torch.contiguous_format)
        cast = cast.copy_(by_direction).permute(1, 2, 0, 3)
    total = torch.zeros((2, grad_gates.shape[3], states.shape[3]))
    for first, last in packed.spans:
        if last - first == 1:
            continue
        pairs = (first + 1, last, first, last - 1), (first, last - 1, first + 1, last)
        for direction, (begin, end, before_begin, before_end) in enumerate(pairs):
            now = grad_gates[begin:end, :, direction].flatten(0, 1)
            before = cast[before_begin:before_end, :, direction].flatten(0, 1)
            add_matmul_(total[direction], now.T, before)
    return total


def _by_token(grad: Tensor, sequences: int) -> Tensor:
    """(2, P*N, .) as (P, N, 2, .), where it lies."""
    return grad.view(2, -1, sequences, grad.shape[2]).permute(1, 2, 0, 3)
