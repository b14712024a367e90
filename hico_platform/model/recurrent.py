"""Bidirectional GRU and LSTM over all granularities at once.

On a CPU the recurrence is written out: both directions and all granularities go together, the products that do not
depend on the step before are one product each, and a compiled kernel does the rest of a step. Under bf16 autocast
products are bf16 while gates and cells stay float32.

On a GPU a kernel makes a whole layer (:mod:`hico_platform.ops.cuda.recurrence`). What is too wide for it goes to
cuDNN over a packed sequence, under bf16 autocast in TensorFloat-32: cuDNN's own autocast would make float16 of all.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from hico_platform.ops.cpu.library import Argument, Kernels, kernels_for, passed, suffix
from hico_platform.ops.cpu.rnn_steps import Visits, visits_of
from hico_platform.ops.cuda import usable
from hico_platform.ops.granularities import Packing, packing
from hico_platform.ops.linear import add_multiplied, column_sums, multiplied
from hico_platform.ops.precision import recurrences_in_tf32


class Recurrent(nn.Module):
    """Bidirectional GRU or LSTM of D/2 units a direction."""

    def __init__(self, cell: Callable[..., nn.RNNBase], *, width: int, layers: int) -> None:
        super().__init__()
        self.rnn = cell(width, width // 2, num_layers=layers, batch_first=True, bidirectional=True)

    def forward(self, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (P, N, D), P being the tokens of all granularities; each is a sequence of its own."""
        directions = self.rnn.all_weights  # of each layer, forwards and reverse: W_ih, W_hh, b_ih, b_hh
        kernels = kernels_for(tokens, *chain.from_iterable(directions))
        if tokens.is_cuda:
            made = self._on_a_gpu(tokens, lengths) if usable(tokens, *chain.from_iterable(directions)) else None
            return self._by_cudnn(tokens, packing(lengths, tokens.device)) if made is None else made
        if kernels is None:
            parts = (self.rnn(part.transpose(0, 1))[0].transpose(0, 1) for part in tokens.split(lengths))
            made = torch.cat(list(parts))
            return made.float() if torch.is_autocast_enabled("cpu") else made
        packed, reduced = packing(lengths, tokens.device), torch.is_autocast_enabled("cpu")
        precision = torch.get_autocast_dtype("cpu") if reduced else torch.float32
        layer = _Lstm if isinstance(self.rnn, nn.LSTM) else _Gru
        with torch.autocast("cpu", enabled=False):
            for both in zip(directions[::2], directions[1::2], strict=True):
                weights = *both[0], *both[1]
                wanted = torch.is_grad_enabled() and any(each.requires_grad for each in (tokens, *weights))
                how = _How(packed=packed, precision=precision, kernels=kernels, wanted=wanted)
                tokens = layer.apply(tokens, how, *weights)  # type: ignore[no-untyped-call]
        return tokens

    def _on_a_gpu(self, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor | None:
        """None where that is cuDNN's: too wide, or float32 on a GPU without enough tensor cores."""
        from hico_platform.ops.cuda.launch import EXACT
        from hico_platform.ops.cuda.recurrence import Gru, How, Lstm, fits

        layer, gates = (Lstm, 4) if isinstance(self.rnn, nn.LSTM) else (Gru, 3)
        reduced = torch.is_autocast_enabled("cuda")
        precision = torch.get_autocast_dtype("cuda") if reduced else torch.float32
        products = "tf32" if reduced or recurrences_in_tf32() else EXACT
        if not fits(self.rnn.hidden_size, gates, precision, products=products):
            return None
        directions = self.rnn.all_weights
        with torch.autocast("cuda", enabled=False):
            for both in zip(directions[::2], directions[1::2], strict=True):
                weights = *both[0], *both[1]
                wanted = torch.is_grad_enabled() and any(each.requires_grad for each in (tokens, *weights))
                how = How(lengths=lengths, precision=precision, products=products, gates=gates, wanted=wanted)
                tokens = layer.apply(tokens, how, *weights)  # type: ignore[no-untyped-call]
        return tokens

    def _by_cudnn(self, tokens: Tensor, packed: Packing) -> Tensor:
        count = tokens.shape[1]
        sizes = torch.tensor([together * count for together in packed.counts])
        with torch.autocast(tokens.device.type, enabled=False):  # cuDNN's would be float16
            data = tokens.float().index_select(0, packed.order[0]).flatten(0, 1)  # (P*N, D)
            output: Tensor = self.rnn(PackedSequence(data, sizes))[0].data
        return output.view(tokens.shape).index_select(0, packed.place[0])


class _How(NamedTuple):
    packed: Packing
    precision: torch.dtype  # of the products
    kernels: Kernels
    wanted: bool  # a backward pass may follow

    @property
    def whole_layer(self) -> bool:
        """Whether kernels make all steps by one call, products inside."""
        return self.precision is torch.float32 and self.kernels.multiplies


class _Products(NamedTuple):
    """Where the products of the steps with the same granularities lie: what goes in and what comes out."""

    left: Tensor
    out: Tensor
    left_pointer: object
    out_pointer: object


def _by_rows(visits: Visits, left: Callable[[int], Tensor], width: int, like: Tensor) -> dict[int, _Products]:
    """For each number of rows, its part of one buffer that every step writes anew."""
    room = like.new_empty(2 * visits.room * width)
    made = {}
    for rows in {rows for _, rows in visits.steps}:
        given, out = left(rows), room[: 2 * rows * width].view(2, rows, width)
        made[rows] = _Products(left=given, out=out, left_pointer=passed(given), out_pointer=passed(out))
    return made


def _forward(
    how: _How, name: str, visits: Visits, weight: Tensor, given: Tensor, gates: Tensor | None, *others: Tensor | None
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
    how: _How, name: str, visits: Visits, weight: Tensor, moved: Tensor, saved: tuple[Tensor, ...], *others: Tensor
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


def _whole_layer(how: _How, name: str, visits: Visits, *others: Argument) -> None:
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


class _Read(NamedTuple):
    """What a layer's products read, in their precision."""

    tokens: Tensor  # (P*N, D)
    of_input: list[Tensor]  # of each direction: (gates*H, D)
    of_state: list[Tensor]  # of each direction: (gates*H, H)

    @classmethod
    def cast(cls, how: _How, tokens: Tensor, weights: tuple[Tensor, ...]) -> _Read:
        """Of tokens (P, N, D) and a layer's weights in PyTorch's order."""
        low = [weight.to(how.precision).contiguous() for weight in weights]
        rows = tokens.to(how.precision).reshape(-1, tokens.shape[2]).contiguous()
        return cls(rows, [low[0], low[4]], [low[1], low[5]])

    def tensors(self) -> tuple[Tensor, ...]:
        """All five, as autograd keeps them."""
        return self.tokens, *self.of_input, *self.of_state

    @classmethod
    def kept(cls, tokens: Tensor, *weights: Tensor) -> _Read:
        """Of what :meth:`tensors` gave."""
        return cls(tokens, list(weights[:2]), list(weights[2:]))

    def forwards(self) -> tuple[Tensor, int, Any, Any]:
        """As a layer's kernel takes them; this must outlive the call."""
        return self.tokens, self.tokens.shape[1], _addresses(self.of_input).array, _addresses(self.of_state).array

    def gradient_of_tokens(self, gates: Tensor) -> Tensor:
        """(P*N, D), of the gates' gradient (P*N, 2*gates*H)."""
        return multiplied(gates, torch.cat(self.of_input))


class _Addresses(NamedTuple):
    """Where both directions' tensors lie, as a kernel takes it."""

    array: ctypes.Array[ctypes.c_void_p]
    tensors: list[Tensor]


def _addresses(tensors: list[Tensor]) -> _Addresses:
    return _Addresses((ctypes.c_void_p * 2)(*(each.data_ptr() for each in tensors)), tensors)


def _input_gradients(moved: Tensor, read: _Read) -> tuple[Tensor, Tensor]:
    """Of tokens (P*N, D) and both directions' weights (2, gates*H, D): ``moved`` (2, P*N, gates*H)."""
    of_tokens = multiplied(moved[0], read.of_input[0]).addmm_(moved[1], read.of_input[1])
    return of_tokens, torch.stack([multiplied(each.T, read.tokens) for each in moved]).float()


class _Lstm(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: input, forget, cell, output."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, how: _How, *weights: Tensor) -> Tensor:
        """``tokens`` (P, N, D); of each direction W_ih (4H, D), W_hh (4H, H), b_ih and b_hh (4H,)."""
        (places, count, _), (size, width) = tokens.shape, weights[1].shape
        read, visits = _Read.cast(how, tokens, weights), visits_of(how.packed, count, width)
        bias = torch.stack([weights[2] + weights[3], weights[6] + weights[7]])
        states = bias.new_empty(places, count, 2, width)
        if how.whole_layer:
            gates = bias.new_empty(places * count, 2 * size) if how.wanted else None
            cells = torch.empty_like(states) if how.wanted else None
            _whole_layer(how, "lstm_forward_layer", visits, *read.forwards(), bias, gates, cells, states)
        else:
            given, gates = _input_gates(read.tokens, torch.stack(read.of_input), wanted=how.wanted)
            cells = torch.empty_like(states)
            _forward(how, "lstm", visits, torch.stack(read.of_state), given, gates, bias, cells, states)
        if how.wanted:
            ctx.save_for_backward(gates, cells, states, *read.tensors())
            ctx.how, ctx.dtype = how, tokens.dtype
        return states.view(places, count, 2 * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens and weights."""
        _once(ctx)
        gates, cells, states, *kept = ctx.saved_tensors
        how: _How = ctx.how
        read = _Read.kept(*kept)
        (places, count, _, width), size, depth = states.shape, 4 * states.shape[3], read.tokens.shape[1]
        visits, given = visits_of(how.packed, count, width), gradients[0].float().contiguous()
        if how.whole_layer:
            backwards = _addresses(read.of_state).array
            _whole_layer(how, "lstm_backward_layer", visits, backwards, given, gates, cells, gates)
            of_input, of_state = states.new_empty(2, size, depth), states.new_empty(2, size, width)
            of_bias = states.new_zeros(2, size)
            how.kernels.call(
                "recurrent_weights_backward", places, count, size, depth, width, how.packed.before, gates, read.tokens,
                states, of_input, of_state, of_bias,
            )  # fmt: skip
            of_tokens = read.gradient_of_tokens(gates)
        else:
            moved = read.tokens.new_empty(2, places * count, size)
            _backward(how, "lstm", visits, torch.stack(read.of_state), moved, (given, gates, cells))
            of_tokens, of_input = _input_gradients(moved, read)
            of_state = _weight_gradient(_by_token(moved, count), states, how.packed)
            of_bias = torch.stack([column_sums(each) for each in moved])
        # Apart, for a gradient may be scaled in place.
        forwards, reverse = ((of_input[d], of_state[d], of_bias[d], of_bias[d].clone()) for d in range(2))
        return of_tokens.view(places, count, -1).to(ctx.dtype), None, *forwards, *reverse


class _Gru(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: reset, update, candidate."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, how: _How, *weights: Tensor) -> Tensor:
        """As the LSTM's with 3H gates."""
        (places, count, _), (size, width) = tokens.shape, weights[1].shape
        read, visits = _Read.cast(how, tokens, weights), visits_of(how.packed, count, width)
        # The candidate's state term is multiplied by the reset gate, so its bias stays apart.
        bias, bias_state = torch.stack([weights[2], weights[6]]), torch.stack([weights[3], weights[7]])
        bias[:, : 2 * width] += bias_state[:, : 2 * width]
        bias_state = bias_state[:, 2 * width :].contiguous()
        states = bias.new_empty(places, count, 2, width)
        inner = torch.empty_like(states) if how.wanted else None
        if how.whole_layer:
            gates = bias.new_empty(places * count, 2 * size) if how.wanted else None
            biases = bias, bias_state
            _whole_layer(how, "gru_forward_layer", visits, *read.forwards(), *biases, gates, inner, states)
        else:
            given, gates = _input_gates(read.tokens, torch.stack(read.of_input), wanted=how.wanted)
            _forward(how, "gru", visits, torch.stack(read.of_state), given, gates, bias, bias_state, inner, states)
        if how.wanted:
            ctx.save_for_backward(gates, inner, states, *read.tensors())
            ctx.how, ctx.dtype = how, tokens.dtype
        return states.view(places, count, 2 * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens and weights."""
        _once(ctx)
        gates, inner, states, *kept = ctx.saved_tensors
        how: _How = ctx.how
        read = _Read.kept(*kept)
        (places, count, _, width), size = states.shape, 3 * states.shape[3]
        visits, given = visits_of(how.packed, count, width), gradients[0].float().contiguous()
        if how.whole_layer:
            behind = torch.empty_like(states)  # the candidate's gradient as the state sees it
            backwards = _addresses(read.of_state).array
            _whole_layer(
                how, "gru_backward_layer", visits, backwards, given, gates, inner, states, gates, behind
            )  # ``gates`` become their gradient
            moved, of_candidate = (
                gates.view(places, count, 2, size),
                column_sums(behind.view(-1, 2 * width)).view(2, -1),
            )
            of_tokens = read.gradient_of_tokens(gates)
            of_input, of_bias = multiplied(gates.T, read.tokens).view(2, size, -1), column_sums(gates).view(2, -1)
        else:
            apart, packed = (read.tokens.new_empty(2, places * count, each) for each in (size, width))
            saved = given, gates, inner, states
            _backward(how, "gru", visits, torch.stack(read.of_state), apart, saved, packed)
            of_tokens, of_input = _input_gradients(apart, read)
            of_bias, of_candidate = (torch.stack([column_sums(each) for each in both]) for both in (apart, packed))
            moved, behind = _by_token(apart, count), _by_token(packed, count)
        of_switches = _weight_gradient(moved[..., : 2 * width], states, how.packed)
        of_state = torch.cat([of_switches, _weight_gradient(behind, states, how.packed)], dim=1)
        of_bias_state = torch.cat([of_bias[:, : 2 * width], of_candidate], dim=1)
        forwards, reverse = ((of_input[d], of_state[d], of_bias[d], of_bias_state[d]) for d in range(2))
        return of_tokens.view(places, count, -1).to(ctx.dtype), None, *forwards, *reverse
