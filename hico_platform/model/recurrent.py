"""Bidirectional GRU and LSTM over all granularities at once.

On a GPU the layers are PyTorch's own, over a packed sequence. On a CPU the recurrence is written out: both directions
and all granularities go together, the products that do not depend on the step before are one product each, and a
compiled kernel does the rest of a step. Under bf16 autocast products are bf16 while gates and cells stay float32.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from hico_platform.model.packing import Packing, packing
from hico_platform.model.products import add_multiplied, column_sums, multiplied
from hico_platform.native.library import Kernels, kernels_for, passed, suffix


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
        kernels = kernels_for(tokens, *self.rnn.parameters())
        if kernels is None:
            parts = (self.rnn(part.transpose(0, 1))[0].transpose(0, 1) for part in tokens.split(lengths))
            made = torch.cat(list(parts))
            return made.float() if torch.is_autocast_enabled("cpu") else made
        for layer in range(self.rnn.num_layers):
            tokens = self._layer(tokens, layer, packed, kernels)
        return tokens

    def _by_pytorch(self, tokens: Tensor, packed: Packing) -> Tensor:
        count = tokens.shape[1]
        sizes = torch.tensor([together * count for together in packed.counts])
        data = tokens.index_select(0, packed.order[0]).flatten(0, 1)  # (P*N, D)
        output: Tensor = self.rnn(PackedSequence(data, sizes))[0].data
        return output.view(tokens.shape).index_select(0, packed.place[0])

    def _layer(self, tokens: Tensor, layer: int, packed: Packing, kernels: Kernels) -> Tensor:
        def both(name: str) -> Tensor:
            return torch.stack([getattr(self.rnn, f"{name}_l{layer}{suffix}") for suffix in ("", "_reverse")])

        reduced = torch.is_autocast_enabled("cpu")
        precision = torch.get_autocast_dtype("cpu") if reduced else torch.float32
        with torch.autocast("cpu", enabled=False):
            weights = both("weight_ih"), both("weight_hh")  # (2, gates*H, D or H)
            of_input, of_state = both("bias_ih"), both("bias_hh")  # (2, gates*H)
            wanted = torch.is_grad_enabled() and any(
                each.requires_grad for each in (tokens, *weights, of_input, of_state)
            )
            how = _How(packed=packed, precision=precision, kernels=kernels, wanted=wanted)
            if isinstance(self.rnn, nn.LSTM):
                return _Lstm.apply(tokens, *weights, of_input + of_state, how)  # type: ignore[no-any-return, no-untyped-call]
            # The candidate's state term is multiplied by the reset gate, so its bias stays apart.
            width = self.rnn.hidden_size
            folded = of_input + nn.functional.pad(of_state[:, : 2 * width], (0, width))
            return _Gru.apply(tokens, *weights, folded, of_state[:, 2 * width :], how)  # type: ignore[no-any-return, no-untyped-call]


class _How(NamedTuple):
    packed: Packing
    precision: torch.dtype  # of the products
    kernels: Kernels
    wanted: bool  # a backward pass may follow

    def whole_layer(self, *sizes: int) -> str | None:
        """The ending of the kernels that make all steps of these widths by one call, products inside; None without."""
        if self.precision is torch.float32:
            return "float" if self.kernels.multiplies else None
        return "pairs" if self.kernels.multiplies_pairs and not any(size % 2 for size in sizes) else None


class _Visit(ctypes.Structure):
    """The C structure of that name."""

    _fields_ = (
        ("token", ctypes.c_void_p),
        ("before", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("sequences", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("room", ctypes.c_int64),
        ("places", ctypes.c_int64),
    )


class _Visits(NamedTuple):
    """Which tokens each step visits, as the kernels take it."""

    array: Any  # of _Visit
    steps: list[tuple[Any, int]]  # each visit by reference, and its rows in a direction
    tokens: list[Tensor]  # what the array points to
    room: int  # rows of the first step, which has the most


@lru_cache(maxsize=64)
def _visits(packed: Packing, sequences: int, width: int) -> _Visits:
    array = (_Visit * len(packed.bounds))()
    tokens: list[Tensor] = []
    for index, (first, last) in enumerate(packed.bounds):
        token = packed.order[:, first:last].contiguous()
        visit = array[index]
        visit.token, visit.count, visit.sequences, visit.width = token.data_ptr(), last - first, sequences, width
        visit.room, visit.places = packed.counts[0] * sequences, packed.order.shape[1] * sequences
        if index > 0:
            before = tokens[-1][:, : last - first].contiguous()
            visit.before = before.data_ptr()
            tokens.append(before)
        tokens.append(token)
    steps = [(ctypes.byref(visit), visit.count * sequences) for visit in array]
    return _Visits(array=array, steps=steps, tokens=tokens, room=packed.counts[0] * sequences)


class _Products(NamedTuple):
    """Where the products of the steps with the same granularities lie: what goes in and what comes out."""

    left: Tensor
    out: Tensor
    left_pointer: object
    out_pointer: object


def _by_rows(visits: _Visits, left: Callable[[int], Tensor], width: int, like: Tensor) -> dict[int, _Products]:
    """For each number of rows, its part of one buffer that every step writes anew."""
    room = like.new_empty(2 * visits.room * width)
    made = {}
    for rows in {rows for _, rows in visits.steps}:
        given, out = left(rows), room[: 2 * rows * width].view(2, rows, width)
        made[rows] = _Products(left=given, out=out, left_pointer=passed(given), out_pointer=passed(out))
    return made


def _forward(
    how: _How, name: str, visits: _Visits, weight: Tensor, given: Tensor, gates: Tensor | None, *others: Tensor | None
) -> None:
    """All steps of a layer: ``others`` are the kernel's tensors but for the state that a step hands on."""
    size, width = weight.shape[1:]
    state = weight.new_empty(2, visits.room, width)
    products = _by_rows(visits, lambda rows: state[:, :rows], size, weight)
    step_forward = how.kernels.repeated(f"{name}_forward_{suffix(how.precision)}")
    transposed = weight.transpose(1, 2)
    before, after = [passed(each) for each in (given, gates)], [passed(each) for each in (*others, state)]
    for index, (visit, rows) in enumerate(visits.steps):
        product = products[rows]
        if index > 0:
            torch.bmm(product.left, transposed, out=product.out)
        step_forward(visit, *before, product.out_pointer, *after)


def _backward(
    how: _How, name: str, visits: _Visits, weight: Tensor, moved: Tensor, saved: tuple[Tensor, ...], *others: Tensor
) -> None:
    """All steps of a layer, last first: ``saved`` begins with the output's gradient and the gates."""
    size, width = weight.shape[1:]
    carried = torch.empty(2, visits.room, width)
    seen = weight.new_empty(2 * visits.room * size)
    products = _by_rows(visits, lambda rows: seen[: 2 * rows * size].view(2, rows, size), width, weight)
    step_backward = how.kernels.repeated(f"{name}_backward_{suffix(how.precision)}")
    before, after = [passed(each) for each in (*saved, carried)], [passed(each) for each in others]
    moved_pointer, later, arriving = passed(moved), 0, products[visits.steps[-1][1]]
    for index in reversed(range(len(visits.steps))):
        visit, rows = visits.steps[index]
        product = products[rows]
        step_backward(
            visit, *before, arriving.out_pointer, ctypes.c_int64(later), moved_pointer, product.left_pointer, *after
        )
        if index > 0:
            torch.bmm(product.left, weight, out=product.out)
            arriving, later = product, rows


def _whole_layer(how: _How, name: str, visits: _Visits, *others: Tensor | int | None) -> None:
    """All steps by one call, with the products inside."""
    how.kernels.call(name, visits.array, len(visits.array), torch.get_num_threads(), *others)


def _input_gates(rows: Tensor, weight_ih: Tensor, *, wanted: bool) -> tuple[Tensor, Tensor | None]:
    """Of tokens (P*N, D) and both directions' weights (2, gates*H, D): their product, and room for float32 gates.

    None where no backward pass will want them.
    """
    given = rows @ weight_ih.flatten(0, 1).T
    if not wanted:
        return given, None
    return given, given if given.dtype is torch.float32 else torch.empty_like(given, dtype=torch.float32)


def _once(ctx: Any) -> None:
    """A backward pass writes over what the forward pass saved."""
    if getattr(ctx, "spent", False):
        raise RuntimeError("a recurrent layer was differentiated twice: run its forward pass again")
    ctx.spent = True


def _weight_gradient(moved: Tensor, states: Tensor, packed: Packing) -> Tensor:
    """Of recurrent weights, (2, gates*H, H): ``moved`` (P, N, 2, gates*H) held against the state before each token."""
    low = states
    if states.dtype is not moved.dtype:  # a direction's rows together: oneDNN copies what it finds apart
        low = torch.empty_like(states.permute(2, 0, 1, 3), dtype=moved.dtype, memory_format=torch.contiguous_format)
        low = low.copy_(states.permute(2, 0, 1, 3)).permute(1, 2, 0, 3)
    total = torch.zeros((2, moved.shape[3], states.shape[3]))
    for first, last in packed.spans:
        if last - first == 1:
            continue
        pairs = (first + 1, last, first, last - 1), (first, last - 1, first + 1, last)
        for direction, (a, b, before_a, before_b) in enumerate(pairs):
            now = moved[a:b, :, direction].flatten(0, 1)
            before = low[before_a:before_b, :, direction].flatten(0, 1)
            add_multiplied(total[direction], now.T, before)
    return total


def _by_token(moved: Tensor, count: int) -> Tensor:
    """(2, P*N, .) as (P, N, 2, .), where it lies."""
    return moved.view(2, -1, count, moved.shape[2]).permute(1, 2, 0, 3)


def _input_gradients(moved: Tensor, rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of tokens (P*N, D) and both directions' weights (2, gates*H, D): ``moved`` (2, P*N, gates*H)."""
    of_tokens = torch.addmm(multiplied(moved[0], weight[0]), moved[1], weight[1])
    return of_tokens, torch.stack([multiplied(each.T, rows) for each in moved]).float()


class _Lstm(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: input, forget, cell, output."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, how: _How) -> Tensor:
        """``tokens`` (P, N, D), ``weight_ih`` (2, 4H, D), ``weight_hh`` (2, 4H, H), ``bias`` (2, 4H)."""
        (places, count, depth), (_, size, width) = tokens.shape, weight_hh.shape
        rows, visits = tokens.to(how.precision).reshape(-1, depth), _visits(how.packed, count, width)
        weight, low = weight_ih.to(how.precision), weight_hh.to(how.precision)
        states = bias.new_empty(places, count, 2, width)
        if whole := how.whole_layer(depth, width):
            gates = bias.new_empty(len(rows), 2 * size) if how.wanted else None
            cells = torch.empty_like(states) if how.wanted else None
            read = rows, depth, weight, low, bias
            _whole_layer(how, f"lstm_forward_layer_{whole}", visits, *read, gates, cells, states)
        else:
            given, gates = _input_gates(rows, weight, wanted=how.wanted)
            cells = torch.empty_like(states)
            _forward(how, "lstm", visits, low, given, gates, bias, cells, states)
        if how.wanted:
            ctx.save_for_backward(rows, gates, cells, states, weight, low)
            ctx.how, ctx.dtype = how, tokens.dtype
        return states.view(places, count, 2 * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens, weights and bias."""
        _once(ctx)
        rows, gates, cells, states, weight, low = ctx.saved_tensors
        how: _How = ctx.how
        (places, count, _, width), size = states.shape, low.shape[1]
        visits, given = _visits(how.packed, count, width), gradients[0].float().contiguous()
        whole = how.whole_layer(rows.shape[1], width)
        if whole == "float":
            _whole_layer(how, "lstm_backward_layer_float", visits, low, given, gates, cells, gates)
            of_input, of_state, of_bias = torch.empty_like(weight), torch.empty_like(low), torch.zeros(low.shape[:2])
            how.kernels.call(
                "recurrent_weights_backward", places, count, size, weight.shape[2], width, how.packed.before, gates,
                rows, states, of_input, of_state, of_bias,
            )  # fmt: skip
            of_tokens = multiplied(gates, weight.flatten(0, 1))
        else:
            moved = low.new_empty(2, len(rows), size)
            if whole:
                turned = low.transpose(1, 2).contiguous()
                _whole_layer(how, "lstm_backward_layer_pairs", visits, turned, given, gates, cells, moved)
            else:
                _backward(how, "lstm", visits, low, moved, (given, gates, cells))
            of_tokens, of_input = _input_gradients(moved, rows, weight)
            of_state = _weight_gradient(_by_token(moved, count), states, how.packed)
            of_bias = torch.stack([column_sums(each) for each in moved])
        return of_tokens.view(places, count, -1).to(ctx.dtype), of_input, of_state, of_bias, None


class _Gru(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: reset, update, candidate."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, bias_state: Tensor, how: _How
    ) -> Tensor:
        """As the LSTM's with 3H gates; ``bias_state`` (2, H) is the candidate's, inside the reset gate."""
        (places, count, depth), (_, size, width) = tokens.shape, weight_hh.shape
        rows, visits = tokens.to(how.precision).reshape(-1, depth), _visits(how.packed, count, width)
        weight, low, bias_state = weight_ih.to(how.precision), weight_hh.to(how.precision), bias_state.contiguous()
        states = bias.new_empty(places, count, 2, width)
        inner = torch.empty_like(states) if how.wanted else None
        if whole := how.whole_layer(depth, width):
            gates = bias.new_empty(len(rows), 2 * size) if how.wanted else None
            read = rows, depth, weight, low, bias, bias_state
            _whole_layer(how, f"gru_forward_layer_{whole}", visits, *read, gates, inner, states)
        else:
            given, gates = _input_gates(rows, weight, wanted=how.wanted)
            _forward(how, "gru", visits, low, given, gates, bias, bias_state, inner, states)
        if how.wanted:
            ctx.save_for_backward(rows, gates, inner, states, weight, low)
            ctx.how, ctx.dtype = how, tokens.dtype
        return states.view(places, count, 2 * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens, weights and biases."""
        _once(ctx)
        rows, gates, inner, states, weight, low = ctx.saved_tensors
        how: _How = ctx.how
        (places, count, _, width), size = states.shape, low.shape[1]
        visits, given = _visits(how.packed, count, width), gradients[0].float().contiguous()
        whole = how.whole_layer(rows.shape[1], width)
        if whole == "float":
            behind = torch.empty_like(states)  # the candidate's gradient as the state sees it
            # ``gates`` become their gradient.
            _whole_layer(how, "gru_backward_layer_float", visits, low, given, gates, inner, states, gates, behind)
            moved, of_state = gates.view(places, count, 2, size), column_sums(behind.view(len(rows), -1)).view(2, -1)
            of_tokens = multiplied(gates, weight.flatten(0, 1))
            of_input, of_bias = multiplied(gates.T, rows).view(weight.shape), column_sums(gates).view(2, -1)
        else:
            apart, packed = low.new_empty(2, len(rows), size), low.new_empty(2, len(rows), width)
            if whole:
                turned, saved = low.transpose(1, 2).contiguous(), (given, gates, inner, states)
                _whole_layer(how, "gru_backward_layer_pairs", visits, turned, *saved, apart, packed)
            else:
                _backward(how, "gru", visits, low, apart, (given, gates, inner, states), packed)
            of_tokens, of_input = _input_gradients(apart, rows, weight)
            of_bias, of_state = (torch.stack([column_sums(each) for each in both]) for both in (apart, packed))
            moved, behind = _by_token(apart, count), _by_token(packed, count)
        of_switches = _weight_gradient(moved[..., : 2 * width], states, how.packed)
        of_weight = torch.cat([of_switches, _weight_gradient(behind, states, how.packed)], dim=1)
        return of_tokens.view(places, count, -1).to(ctx.dtype), of_input, of_weight, of_bias, of_state, None
