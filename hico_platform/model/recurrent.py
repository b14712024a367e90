"""Bidirectional GRU and LSTM over all granularities at once.

On a GPU the layers are PyTorch's own, over a packed sequence. On a CPU the recurrence is written out, the float32 LSTM
aside: both directions and all granularities go together, the products that do not depend on the step before are one
product each, and under bf16 autocast products are bf16 while gates and cells stay float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from hico_platform.model.packing import Packing, packing

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class Recurrent(nn.Module):
    """Bidirectional GRU or LSTM of D/2 units a direction."""

    def __init__(self, cell: Callable[..., nn.RNNBase], *, width: int, layers: int) -> None:
        super().__init__()
        self.rnn = cell(width, width // 2, num_layers=layers, batch_first=True, bidirectional=True)

    def forward(self, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (P, N, D), P being the tokens of all granularities; each is a sequence of its own."""
        packed = packing(lengths, tokens.device)
        if tokens.is_cuda:
            return self._by_pytorch(tokens, packed)
        if isinstance(self.rnn, nn.LSTM) and not torch.is_autocast_enabled("cpu"):
            # oneDNN's float32 LSTM, one fused call a granularity, is faster than the recurrence written out.
            parts = (self.rnn(part.transpose(0, 1))[0].transpose(0, 1) for part in tokens.split(lengths))
            return torch.cat(list(parts))
        return self._written_out(tokens, packed)

    def _written_out(self, tokens: Tensor, packed: Packing) -> Tensor:
        for layer in range(self.rnn.num_layers):
            tokens = self._layer(tokens, layer, packed)
        return tokens

    def _by_pytorch(self, tokens: Tensor, packed: Packing) -> Tensor:
        count = tokens.shape[1]
        sizes = torch.tensor([together * count for together in packed.counts])
        data = tokens.index_select(0, packed.order[0]).flatten(0, 1)  # (P*N, D)
        output: Tensor = self.rnn(PackedSequence(data, sizes))[0].data
        return output.view(tokens.shape).index_select(0, packed.place[0])

    def _layer(self, tokens: Tensor, layer: int, packed: Packing) -> Tensor:
        def both(name: str) -> Tensor:
            return torch.stack([getattr(self.rnn, f"{name}_l{layer}{suffix}") for suffix in ("", "_reverse")])

        reduced = torch.is_autocast_enabled("cpu")
        precision = torch.get_autocast_dtype("cpu") if reduced else torch.float32
        with torch.autocast("cpu", enabled=False):
            weights = both("weight_ih"), both("weight_hh")  # (2, gates*H, D or H)
            of_input, of_state = both("bias_ih"), both("bias_hh")  # (2, gates*H)
            if isinstance(self.rnn, nn.LSTM):
                return _Lstm.apply(tokens, *weights, of_input + of_state, packed, precision)  # type: ignore[no-any-return, no-untyped-call]
            # The candidate's state term is multiplied by the reset gate, so its bias stays apart.
            width = self.rnn.hidden_size
            folded = of_input + nn.functional.pad(of_state[:, : 2 * width], (0, width))
            return _Gru.apply(tokens, *weights, folded, of_state[:, 2 * width :], packed, precision)  # type: ignore[no-any-return, no-untyped-call]


def _input_gates(tokens: Tensor, weight: Tensor, bias: Tensor, packed: Packing) -> tuple[Tensor, Tensor]:
    """Tokens as both directions visit them (2, P*N, D), and their part of the gates, float32 (2, P*N, gates*H)."""
    visited = tokens.index_select(0, packed.order.flatten()).view(2, -1, tokens.shape[2])
    return visited, torch.baddbmm(bias[:, None], visited, weight.transpose(1, 2)).float()


def _in_token_order(states: Tensor, packed: Packing, count: int) -> Tensor:
    """States (2, P*N, H) of both directions as (P, N, 2*H)."""
    halves = states.view(2, -1, count, states.shape[2])
    return torch.cat([half.index_select(0, place) for half, place in zip(halves, packed.place, strict=True)], dim=2)


def _as_visited(gradient: Tensor, packed: Packing) -> Tensor:
    """The inverse: (P, N, 2*H) to (2, P*N, H)."""
    halves = gradient.float().chunk(2, dim=2)
    return torch.stack([half.index_select(0, order) for half, order in zip(halves, packed.order, strict=True)]).flatten(
        1, 2
    )


def _gradient_of_tokens(gates: Tensor, weight: Tensor, packed: Packing, count: int) -> Tensor:
    visited = torch.bmm(gates, weight).view(2, -1, count, weight.shape[2])
    return visited[0].index_select(0, packed.place[0]).add_(visited[1].index_select(0, packed.place[1]))


def _states_before(states: Tensor, packed: Packing, count: int) -> Tensor:
    """The state before each step but the first, (2, (P-G)*N, H)."""
    return states.view(2, -1, count, states.shape[2]).index_select(1, packed.before).flatten(1, 2)


def _arriving(gradient: Tensor, carried: Tensor | None) -> Tensor:
    """A step's output gradient plus what comes back from the step after, which has the same sequences or fewer."""
    if carried is None:
        return gradient.clone()
    if carried.shape == gradient.shape:
        return carried.add_(gradient)
    arriving = gradient.clone()
    arriving[:, : carried.shape[1]] += carried
    return arriving


class _Lstm(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: input, forget, cell, output."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, packed: Packing,
        precision: torch.dtype,
    ) -> Tensor:  # fmt: skip
        """``tokens`` (P, N, D), ``weight_ih`` (2, 4H, D), ``weight_hh`` (2, 4H, H), ``bias`` (2, 4H)."""
        count, width = tokens.shape[1], weight_hh.shape[2]
        tokens, weight_ih, weight_hh = (each.to(precision) for each in (tokens, weight_ih, weight_hh))
        visited, gates = _input_gates(tokens, weight_ih, bias.to(precision), packed)
        cells, bent, states = (gates.new_empty(2, gates.shape[1], width) for _ in range(3))
        recurrent = weight_hh.transpose(1, 2)
        state, previous = None, None
        for first, last in packed.bounds:
            a, b = first * count, last * count
            step, cell, bent_cell = gates[:, a:b], cells[:, a:b], bent[:, a:b]
            if state is not None:
                _add_product(step, state[:, : b - a], recurrent)
            enter, _, candidate, leave = step.split(width, dim=2)
            step[:, :, : 2 * width].sigmoid_()
            _tanh(candidate, out=candidate)
            leave.sigmoid_()
            torch.mul(enter, candidate, out=cell)
            if previous is not None:
                cell.addcmul_(step[:, :, width : 2 * width], previous[:, : b - a])
            _tanh(cell, out=bent_cell)
            previous, state = cell, states[:, a:b]
            torch.mul(leave, bent_cell, out=state)
            state = state.to(precision)
        ctx.save_for_backward(visited, gates, cells, bent, states, weight_ih, weight_hh)
        ctx.packed, ctx.count = packed, count
        return _in_token_order(states, packed, count)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens, weights and bias."""
        visited, gates, cells, bent, states, weight_ih, weight_hh = ctx.saved_tensors
        packed, count = ctx.packed, ctx.count
        precision, width = weight_hh.dtype, weight_hh.shape[2]
        outputs = _as_visited(gradients[0], packed)  # (2, P*N, H)
        moved = torch.empty_like(gates)  # gradient before the activations
        reduced = moved if precision is torch.float32 else torch.empty_like(moved, dtype=precision)
        cell_gradient = outputs.new_zeros(2, packed.counts[0] * count, width)
        carried = None
        bounds = packed.bounds
        for index in reversed(range(len(bounds))):
            a, b = (place * count for place in bounds[index])
            step, of_step, bent_cell = gates[:, a:b], moved[:, a:b], bent[:, a:b]
            enter, forget, candidate, leave = step.split(width, dim=2)
            of_enter, of_forget, of_candidate, of_leave = of_step.split(width, dim=2)
            arriving = _arriving(outputs[:, a:b], carried)
            of_cell = cell_gradient[:, : b - a]
            torch.mul(arriving, bent_cell, out=of_leave)
            arriving.mul_(leave)
            of_cell.add_(_tanh_backward(arriving, bent_cell, grad_input=arriving))
            torch.mul(of_cell, candidate, out=of_enter)
            torch.mul(of_cell, enter, out=of_candidate)
            if index == 0:
                of_forget.zero_()
            else:
                before = bounds[index - 1][0] * count
                torch.mul(of_cell, cells[:, before : before + b - a], out=of_forget)
            both, of_both = step[:, :, : 2 * width], of_step[:, :, : 2 * width]
            _sigmoid_backward(of_both, both, grad_input=of_both)
            _tanh_backward(of_candidate, candidate, grad_input=of_candidate)
            _sigmoid_backward(of_leave, leave, grad_input=of_leave)
            of_cell.mul_(forget)
            if reduced is not moved:
                reduced[:, a:b] = of_step
            if index > 0:
                carried = torch.bmm(reduced[:, a:b], weight_hh).float()
        return (
            _gradient_of_tokens(reduced, weight_ih, packed, count),
            torch.bmm(reduced.transpose(1, 2), visited).float(),
            _recurrent_weight_gradient(reduced, states.to(precision), packed, count),
            moved.sum(dim=1),
            None,
            None,
        )


class _Gru(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: reset, update, candidate."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, bias_state: Tensor,
        packed: Packing, precision: torch.dtype,
    ) -> Tensor:  # fmt: skip
        """As the LSTM's with 3H gates; ``bias_state`` (2, H) is the candidate's, inside the reset gate."""
        count, width = tokens.shape[1], weight_hh.shape[2]
        tokens, weight_ih, weight_hh = (each.to(precision) for each in (tokens, weight_ih, weight_hh))
        visited, gates = _input_gates(tokens, weight_ih, bias.to(precision), packed)
        states, inner = (gates.new_empty(2, gates.shape[1], width) for _ in range(2))
        of_gates, of_candidate = weight_hh.transpose(1, 2).split([2 * width, width], dim=2)
        now: Tensor | None = None
        for first, last in packed.bounds:
            a, b = first * count, last * count
            state = None if now is None else now[:, : b - a]
            step, within, now = gates[:, a:b], inner[:, a:b], states[:, a:b]
            switches, candidate = step.split([2 * width, width], dim=2)
            if state is None:
                within.copy_(bias_state[:, None].expand_as(within))
            else:
                low = state.to(precision)
                _add_product(switches, low, of_gates)
                torch.add(torch.bmm(low, of_candidate).float(), bias_state[:, None], out=within)
            reset, update = switches.sigmoid_().chunk(2, dim=2)
            _tanh(candidate.addcmul_(reset, within), out=candidate)
            if state is None:
                torch.addcmul(candidate, candidate, update, value=-1, out=now)
            else:
                torch.lerp(candidate, state, update, out=now)
        ctx.save_for_backward(visited, gates, inner, states, weight_ih, weight_hh)
        ctx.packed, ctx.count = packed, count
        return _in_token_order(states, packed, count)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens, weights and biases."""
        visited, gates, inner, states, weight_ih, weight_hh = ctx.saved_tensors
        packed, count = ctx.packed, ctx.count
        precision, width = weight_hh.dtype, weight_hh.shape[2]
        outputs = _as_visited(gradients[0], packed)
        moved = torch.empty_like(gates)  # gradient before the activations, as the input sees it
        state_moved = torch.empty_like(gates, dtype=precision)  # as the state sees it: the candidate's behind the reset
        carried = None
        bounds = packed.bounds
        for index in reversed(range(len(bounds))):
            a, b = (place * count for place in bounds[index])
            step, of_step = gates[:, a:b], moved[:, a:b]
            reset, update, candidate = step.split(width, dim=2)
            of_reset, of_update, of_candidate = of_step.split(width, dim=2)
            arriving = _arriving(outputs[:, a:b], carried)
            if index == 0:
                torch.mul(arriving, candidate, out=of_update).neg_()
            else:
                before = bounds[index - 1][0] * count
                torch.sub(states[:, before : before + b - a], candidate, out=of_update).mul_(arriving)
            kept = arriving * update
            arriving.sub_(kept)
            _tanh_backward(arriving, candidate, grad_input=of_candidate)
            torch.mul(of_candidate, inner[:, a:b], out=of_reset)
            both, of_both = step[:, :, : 2 * width], of_step[:, :, : 2 * width]
            _sigmoid_backward(of_both, both, grad_input=of_both)
            of_state = state_moved[:, a:b]
            of_state[:, :, : 2 * width] = of_both
            of_state[:, :, 2 * width :] = of_candidate.mul(reset)
            if index > 0:
                carried = kept.add_(torch.bmm(of_state, weight_hh).float())
        reduced = moved.to(precision)
        return (
            _gradient_of_tokens(reduced, weight_ih, packed, count),
            torch.bmm(reduced.transpose(1, 2), visited).float(),
            _recurrent_weight_gradient(state_moved, states.to(precision), packed, count),
            moved.sum(dim=1),
            state_moved[:, :, 2 * width :].sum(dim=1, dtype=torch.float32),
            None,
            None,
        )


def _tanh(x: Tensor, *, out: Tensor) -> None:
    """To 1e-7 absolute, in a quarter of the time of PyTorch's on a CPU."""
    torch.mul(x, 2, out=out).sigmoid_().mul_(2).sub_(1)


def _add_product(total: Tensor, state: Tensor, weight: Tensor) -> None:
    """``total`` += state @ weight, ``total`` being float32."""
    if state.dtype is torch.float32:
        total.baddbmm_(state, weight)
    else:
        total.add_(torch.bmm(state, weight).float())  # a sum of two types takes five times as long


def _recurrent_weight_gradient(gates: Tensor, states: Tensor, packed: Packing, count: int) -> Tensor:
    later = gates[:, packed.counts[0] * count :]  # the first step has no state before it
    return torch.bmm(later.transpose(1, 2), _states_before(states, packed, count)).float()
