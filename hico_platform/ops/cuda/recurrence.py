"""A bidirectional GRU's or LSTM's layer over all granularities: every step by one kernel, forwards and back.

A program takes some sequences of one granularity in one direction from the first step to the last. Their states go
through memory from step to step, since a product reads what other lanes wrote; cells stay in registers. Products of
states are of the type of the tokens, gates, cells and states float32.

Rows are tokens of sequences: token p of sequence n is row p*N + n. Gates lie as (P*N, 2, gates*H), states as
(P*N, 2, H): a direction's beside the other's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cuda.launch import EXACT, first_tokens, shared_memory

WIDEST = 512  # units a direction whose sums fit in a program's registers
_ROWS = 16  # sequences of a program
_WARPS = 8
_MANY_TENSOR_CORES = (8, 0), (9, 0)  # A100, H100 and H200


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _tanh(x):
    return 2.0 / (1.0 + tl.exp(-2.0 * x)) - 1.0


@triton.jit
def _place(first, count):
    """Of this program: its direction, its granularity's first token and length, and its sequences."""
    begin = tl.load(first + tl.program_id(1))
    return tl.program_id(2), begin, tl.load(first + tl.program_id(1) + 1) - begin, tl.program_id(0)


@triton.jit
def _lstm_forward(
    given, weight, bias, first, gates, cells, out, before, count,
    H: tl.constexpr, UNITS: tl.constexpr, DEEP: tl.constexpr, ROWS: tl.constexpr, SAVE: tl.constexpr,
    PRODUCTS: tl.constexpr,
):  # fmt: skip
    d, begin, length, block = _place(first, count)
    n = (block * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    j, k = tl.arange(0, UNITS), tl.arange(0, DEEP)
    there, mine = n[:, None] < count, (n[:, None] < count) & (j[None, :] < H)
    row = 2 * ((begin + tl.where(d == 0, 0, length - 1)) * count + n) + d
    onwards = tl.where(d == 0, 2 * count, -2 * count)  # to the row of the token that the next step visits
    cell = tl.zeros((ROWS, UNITS), tl.float32)
    tl.store(before + row[:, None] * H + j[None, :], cell.to(before.dtype.element_ty), mask=mine)
    tl.debug_barrier()
    b = bias + d * 4 * H + j
    bias_enter = tl.load(b, mask=j < H, other=0.0)[None, :]
    bias_forget = tl.load(b + H, mask=j < H, other=0.0)[None, :]
    bias_bent = tl.load(b + 2 * H, mask=j < H, other=0.0)[None, :]
    bias_leave = tl.load(b + 3 * H, mask=j < H, other=0.0)[None, :]
    for step in range(length):
        enter = tl.zeros((ROWS, UNITS), tl.float32)
        forget = tl.zeros((ROWS, UNITS), tl.float32)
        bent = tl.zeros((ROWS, UNITS), tl.float32)
        leave = tl.zeros((ROWS, UNITS), tl.float32)
        for deep in range(0, H, DEEP):
            inside = k + deep < H
            state = tl.load(before + row[:, None] * H + (deep + k)[None, :], mask=there & inside[None, :], other=0.0)
            w = weight + (d * H + deep + k)[:, None] * (4 * H) + j[None, :]
            seen = inside[:, None] & (j[None, :] < H)
            enter = tl.dot(state, tl.load(w, mask=seen, other=0.0), enter, input_precision=PRODUCTS)
            forget = tl.dot(state, tl.load(w + H, mask=seen, other=0.0), forget, input_precision=PRODUCTS)
            bent = tl.dot(state, tl.load(w + 2 * H, mask=seen, other=0.0), bent, input_precision=PRODUCTS)
            leave = tl.dot(state, tl.load(w + 3 * H, mask=seen, other=0.0), leave, input_precision=PRODUCTS)
        x = given + row[:, None] * (4 * H) + j[None, :]
        enter = _sigmoid(enter + bias_enter + tl.load(x, mask=mine, other=0.0).to(tl.float32))
        forget = _sigmoid(forget + bias_forget + tl.load(x + H, mask=mine, other=0.0).to(tl.float32))
        bent = _tanh(bent + bias_bent + tl.load(x + 2 * H, mask=mine, other=0.0).to(tl.float32))
        leave = _sigmoid(leave + bias_leave + tl.load(x + 3 * H, mask=mine, other=0.0).to(tl.float32))
        cell = enter * bent + forget * cell
        value = leave * _tanh(cell)
        tl.store(out + row[:, None] * H + j[None, :], value, mask=mine)
        if SAVE:
            g = gates + row[:, None] * (4 * H) + j[None, :]
            tl.store(g, enter, mask=mine)
            tl.store(g + H, forget, mask=mine)
            tl.store(g + 2 * H, bent, mask=mine)
            tl.store(g + 3 * H, leave, mask=mine)
            tl.store(cells + row[:, None] * H + j[None, :], cell, mask=mine)
        row += onwards
        going_on = mine & (step + 1 < length)
        tl.store(before + row[:, None] * H + j[None, :], value.to(before.dtype.element_ty), mask=going_on)
        tl.debug_barrier()


@triton.jit
def _lstm_backward(
    given, weight, first, gates, cells, moved, count,
    H: tl.constexpr, UNITS: tl.constexpr, DEEP: tl.constexpr, ROWS: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    d, begin, length, block = _place(first, count)
    n = (block * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    j, k = tl.arange(0, UNITS), tl.arange(0, DEEP)
    there, mine = n[:, None] < count, (n[:, None] < count) & (j[None, :] < H)
    row = 2 * ((begin + tl.where(d == 0, length - 1, 0)) * count + n) + d
    onwards = tl.where(d == 0, -2 * count, 2 * count)
    of_cell = tl.zeros((ROWS, UNITS), tl.float32)
    of_state = tl.zeros((ROWS, UNITS), tl.float32)
    for step in range(length):
        g = gates + row[:, None] * (4 * H) + j[None, :]
        enter = tl.load(g, mask=mine, other=0.0)
        forget = tl.load(g + H, mask=mine, other=0.0)
        candidate = tl.load(g + 2 * H, mask=mine, other=0.0)
        leave = tl.load(g + 3 * H, mask=mine, other=0.0)
        bent = _tanh(tl.load(cells + row[:, None] * H + j[None, :], mask=mine, other=0.0))
        earlier = (row + onwards)[:, None] * H + j[None, :]
        old = tl.load(cells + earlier, mask=mine & (step + 1 < length), other=0.0)
        arriving = of_state + tl.load(given + row[:, None] * H + j[None, :], mask=mine, other=0.0).to(tl.float32)
        of_cell += arriving * leave * (1.0 - bent * bent)
        m = moved + row[:, None] * (4 * H) + j[None, :]
        kind = moved.dtype.element_ty
        tl.store(m, (of_cell * candidate * enter * (1.0 - enter)).to(kind), mask=mine)
        tl.store(m + H, (of_cell * old * forget * (1.0 - forget)).to(kind), mask=mine)
        tl.store(m + 2 * H, (of_cell * enter * (1.0 - candidate * candidate)).to(kind), mask=mine)
        tl.store(m + 3 * H, (arriving * bent * leave * (1.0 - leave)).to(kind), mask=mine)
        of_cell *= forget
        tl.debug_barrier()
        of_state = tl.zeros((ROWS, UNITS), tl.float32)
        for deep in range(0, 4 * H, DEEP):
            inside = k + deep < 4 * H
            left = tl.load(
                moved + row[:, None] * (4 * H) + (deep + k)[None, :], mask=there & inside[None, :], other=0.0
            )
            w = weight + (d * 4 * H + deep + k)[:, None] * H + j[None, :]
            right = tl.load(w, mask=inside[:, None] & (j[None, :] < H), other=0.0)
            of_state = tl.dot(left, right, of_state, input_precision=PRODUCTS)
        row += onwards


@triton.jit
def _gru_forward(
    given, weight, bias, bias_state, first, gates, inner, out, before, count,
    H: tl.constexpr, UNITS: tl.constexpr, DEEP: tl.constexpr, ROWS: tl.constexpr, SAVE: tl.constexpr,
    PRODUCTS: tl.constexpr,
):  # fmt: skip
    d, begin, length, block = _place(first, count)
    n = (block * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    j, k = tl.arange(0, UNITS), tl.arange(0, DEEP)
    there, mine = n[:, None] < count, (n[:, None] < count) & (j[None, :] < H)
    row = 2 * ((begin + tl.where(d == 0, 0, length - 1)) * count + n) + d
    onwards = tl.where(d == 0, 2 * count, -2 * count)
    value = tl.zeros((ROWS, UNITS), tl.float32)
    tl.store(before + row[:, None] * H + j[None, :], value.to(before.dtype.element_ty), mask=mine)
    tl.debug_barrier()
    b = bias + d * 3 * H + j
    bias_reset = tl.load(b, mask=j < H, other=0.0)[None, :]
    bias_update = tl.load(b + H, mask=j < H, other=0.0)[None, :]
    bias_candidate = tl.load(b + 2 * H, mask=j < H, other=0.0)[None, :]
    bias_inner = tl.load(bias_state + d * H + j, mask=j < H, other=0.0)[None, :]
    for step in range(length):
        reset = tl.zeros((ROWS, UNITS), tl.float32)
        update = tl.zeros((ROWS, UNITS), tl.float32)
        within = tl.zeros((ROWS, UNITS), tl.float32)
        for deep in range(0, H, DEEP):
            inside = k + deep < H
            state = tl.load(before + row[:, None] * H + (deep + k)[None, :], mask=there & inside[None, :], other=0.0)
            w = weight + (d * H + deep + k)[:, None] * (3 * H) + j[None, :]
            seen = inside[:, None] & (j[None, :] < H)
            reset = tl.dot(state, tl.load(w, mask=seen, other=0.0), reset, input_precision=PRODUCTS)
            update = tl.dot(state, tl.load(w + H, mask=seen, other=0.0), update, input_precision=PRODUCTS)
            within = tl.dot(state, tl.load(w + 2 * H, mask=seen, other=0.0), within, input_precision=PRODUCTS)
        x = given + row[:, None] * (3 * H) + j[None, :]
        reset = _sigmoid(reset + bias_reset + tl.load(x, mask=mine, other=0.0).to(tl.float32))
        update = _sigmoid(update + bias_update + tl.load(x + H, mask=mine, other=0.0).to(tl.float32))
        within += bias_inner
        own = tl.load(x + 2 * H, mask=mine, other=0.0).to(tl.float32)
        candidate = _tanh(own + bias_candidate + reset * within)
        value = candidate + update * (value - candidate)
        tl.store(out + row[:, None] * H + j[None, :], value, mask=mine)
        if SAVE:
            g = gates + row[:, None] * (3 * H) + j[None, :]
            tl.store(g, reset, mask=mine)
            tl.store(g + H, update, mask=mine)
            tl.store(g + 2 * H, candidate, mask=mine)
            tl.store(inner + row[:, None] * H + j[None, :], within, mask=mine)
        row += onwards
        going_on = mine & (step + 1 < length)
        tl.store(before + row[:, None] * H + j[None, :], value.to(before.dtype.element_ty), mask=going_on)
        tl.debug_barrier()


@triton.jit
def _gru_backward(
    given, weight, first, gates, inner, out, moved, behind, count,
    H: tl.constexpr, UNITS: tl.constexpr, DEEP: tl.constexpr, ROWS: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    d, begin, length, block = _place(first, count)
    n = (block * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    j, k = tl.arange(0, UNITS), tl.arange(0, DEEP)
    there, mine = n[:, None] < count, (n[:, None] < count) & (j[None, :] < H)
    row = 2 * ((begin + tl.where(d == 0, length - 1, 0)) * count + n) + d
    onwards = tl.where(d == 0, -2 * count, 2 * count)
    stays = tl.zeros((ROWS, UNITS), tl.float32)
    for step in range(length):
        g = gates + row[:, None] * (3 * H) + j[None, :]
        reset = tl.load(g, mask=mine, other=0.0)
        update = tl.load(g + H, mask=mine, other=0.0)
        candidate = tl.load(g + 2 * H, mask=mine, other=0.0)
        within = tl.load(inner + row[:, None] * H + j[None, :], mask=mine, other=0.0)
        earlier = (row + onwards)[:, None] * H + j[None, :]
        state = tl.load(out + earlier, mask=mine & (step + 1 < length), other=0.0)
        arriving = stays + tl.load(given + row[:, None] * H + j[None, :], mask=mine, other=0.0).to(tl.float32)
        of_update = arriving * (state - candidate) * update * (1.0 - update)
        stays = arriving * update
        of_candidate = (arriving - stays) * (1.0 - candidate * candidate)
        of_reset = of_candidate * within * reset * (1.0 - reset)
        m = moved + row[:, None] * (3 * H) + j[None, :]
        s = behind + row[:, None] * (3 * H) + j[None, :]
        kind = moved.dtype.element_ty
        tl.store(m, of_reset.to(kind), mask=mine)
        tl.store(m + H, of_update.to(kind), mask=mine)
        tl.store(m + 2 * H, of_candidate.to(kind), mask=mine)
        tl.store(s, of_reset.to(kind), mask=mine)
        tl.store(s + H, of_update.to(kind), mask=mine)
        tl.store(s + 2 * H, (of_candidate * reset).to(kind), mask=mine)
        tl.debug_barrier()
        for deep in range(0, 3 * H, DEEP):
            inside = k + deep < 3 * H
            left = tl.load(
                behind + row[:, None] * (3 * H) + (deep + k)[None, :], mask=there & inside[None, :], other=0.0
            )
            w = weight + (d * 3 * H + deep + k)[:, None] * H + j[None, :]
            right = tl.load(w, mask=inside[:, None] & (j[None, :] < H), other=0.0)
            stays = tl.dot(left, right, stays, input_precision=PRODUCTS)
        row += onwards


class How(NamedTuple):
    """``precision`` of products; ``products`` says what becomes of float32: EXACT, or "tf32"."""

    lengths: tuple[int, ...]  # of the granularities
    precision: torch.dtype
    products: str
    gates: int  # of a unit
    wanted: bool  # a backward pass may follow

    def grid(self, count: int) -> tuple[int, int, int]:
        """Programs: some sequences, a granularity, a direction."""
        return -(-count // _ROWS), len(self.lengths), 2

    def settings(self, width: int) -> dict[str, Any]:
        """What the kernels are compiled for, at ``width`` units a direction."""
        units = _units(width)
        deep, stages = _fitting(units, self.precision, self.gates, shared_memory()) or (16, 2)
        return {
            "H": width, "UNITS": units, "DEEP": min(deep, units), "ROWS": _ROWS, "PRODUCTS": self.products,
            "num_warps": _WARPS if units > 64 else 4, "num_stages": stages,
        }  # fmt: skip


def fits(width: int, gates: int, precision: torch.dtype, *, products: str) -> bool:
    """Whether a program's sums fit in its registers and its weights in the GPU's shared memory, of ``gates`` a unit.

    False as well where cuDNN is as fast: exact float32 on GPUs with few tensor cores for as many float32 units.
    """
    if products == EXACT and torch.cuda.get_device_capability() not in _MANY_TENSOR_CORES:
        return False
    return width <= WIDEST and _fitting(_units(width), precision, gates, shared_memory()) is not None


def _units(width: int) -> int:
    return max(16, 1 << (width - 1).bit_length())


def _fitting(units: int, precision: torch.dtype, gates: int, room: int) -> tuple[int, int] | None:
    """Terms that are summed at a time and stages of loading them ahead: the most that fit in ``room`` bytes."""
    size = torch.finfo(precision).bits // 8
    for deep, stages in ((64 // size, 3), (64 // size, 2), (16, 2)):
        if (stages - 1) * deep * (gates * units + _ROWS) * size <= room:
            return deep, stages
    return None


def _input_and_state_weights(weights: tuple[Tensor, ...], precision: torch.dtype) -> tuple[Tensor, Tensor]:
    """Both directions' W_ih (2*gates*H, D) and W_hh (2, gates*H, H), of a layer's weights in PyTorch's order."""
    return torch.cat([weights[0], weights[4]]).to(precision), torch.stack([weights[1], weights[5]]).to(precision)


def _input_gradients(moved: Tensor, rows: Tensor, of_input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of tokens (P*N, D), W_ih (2, gates*H, D) and b_ih (2, gates*H), from ``moved`` (P, N, 2, gates*H)."""
    flat = moved.view(len(rows), -1)
    of_inputs = (flat.T @ rows).float().view(2, -1, rows.shape[1])
    return flat @ of_input, of_inputs, _column_sums(moved)


def _column_sums(moved: Tensor) -> Tensor:
    """(P, N, 2, gates*H) to float32 (2, gates*H)."""
    return moved.flatten(0, 1).sum(dim=0, dtype=torch.float32)


def _state_weight_gradients(moved: Tensor, before: Tensor) -> list[Tensor]:
    """Of both directions' W_hh (gates*H, H), a product each: of two at once cuBLAS shares out no sums."""
    return [(moved[:, :, d].flatten(0, 1).T @ before[:, :, d].flatten(0, 1)).float() for d in range(2)]


class Lstm(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: input, forget, cell, output."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, how: How, *weights: Tensor) -> Tensor:
        """``tokens`` (P, N, D); of each direction W_ih (4H, D), W_hh (4H, H), b_ih and b_hh (4H,). Gives (P, N, 2H)."""
        (places, count, _), width = tokens.shape, weights[1].shape[1]
        rows = tokens.to(how.precision).flatten(0, 1).contiguous()  # (P*N, D)
        of_input, of_state = _input_and_state_weights(weights, how.precision)
        given = rows @ of_input.T
        bias = torch.stack([weights[2] + weights[3], weights[6] + weights[7]])
        out = bias.new_empty(places, count, 2, width)
        before = torch.empty_like(out, dtype=how.precision)
        gates = bias.new_empty(places, count, 2, 4 * width) if how.wanted else out
        cells = torch.empty_like(out) if how.wanted else out
        _lstm_forward[how.grid(count)](
            given, of_state.transpose(1, 2).contiguous(), bias, first_tokens(how.lengths, tokens.device), gates,
            cells, out, before, count, SAVE=how.wanted, **how.settings(width),
        )  # fmt: skip
        if how.wanted:
            ctx.save_for_backward(of_state, gates, cells, before, rows, of_input)
            ctx.how, ctx.dtype = how, tokens.dtype
        return out.view(places, count, 2 * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens and weights."""
        of_state, gates, cells, before, rows, of_input = ctx.saved_tensors
        how: How = ctx.how
        places, count, _, width = before.shape
        moved, given = torch.empty_like(gates, dtype=how.precision), gradients[0].contiguous()
        _lstm_backward[how.grid(count)](
            given, of_state, first_tokens(how.lengths, gates.device), gates, cells, moved, count, **how.settings(width)
        )
        of_tokens, of_inputs, of_bias = _input_gradients(moved, rows, of_input)
        of_states = _state_weight_gradients(moved, before)
        forwards, reverse = ((of_inputs[d], of_states[d], of_bias[d], of_bias[d].clone()) for d in range(2))
        return of_tokens.view(places, count, -1).to(ctx.dtype), None, *forwards, *reverse


class Gru(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: reset, update, candidate."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, how: How, *weights: Tensor) -> Tensor:
        """As the LSTM's with 3H gates."""
        (places, count, _), width = tokens.shape, weights[1].shape[1]
        rows = tokens.to(how.precision).flatten(0, 1).contiguous()  # (P*N, D)
        of_input, of_state = _input_and_state_weights(weights, how.precision)
        given = rows @ of_input.T
        # The candidate's state term is multiplied by the reset gate, so its bias stays apart.
        bias, bias_state = torch.stack([weights[2], weights[6]]), torch.stack([weights[3], weights[7]])
        bias[:, : 2 * width] += bias_state[:, : 2 * width]
        bias_inner = bias_state[:, 2 * width :].contiguous()
        out = bias.new_empty(places, count, 2, width)
        before = torch.empty_like(out, dtype=how.precision)
        gates = bias.new_empty(places, count, 2, 3 * width) if how.wanted else out
        inner = torch.empty_like(out) if how.wanted else out
        _gru_forward[how.grid(count)](
            given, of_state.transpose(1, 2).contiguous(), bias, bias_inner, first_tokens(how.lengths, tokens.device),
            gates, inner, out, before, count, SAVE=how.wanted, **how.settings(width),
        )  # fmt: skip
        if how.wanted:
            ctx.save_for_backward(of_state, gates, inner, out, before, rows, of_input)
            ctx.how, ctx.dtype = how, tokens.dtype
        return out.view(places, count, 2 * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens and weights."""
        of_state, gates, inner, out, before, rows, of_input = ctx.saved_tensors
        how: How = ctx.how
        places, count, _, width = before.shape
        moved, behind = (torch.empty_like(gates, dtype=how.precision) for _ in range(2))
        given = gradients[0].contiguous()
        _gru_backward[how.grid(count)](
            given, of_state, first_tokens(how.lengths, gates.device), gates, inner, out, moved, behind, count,
            **how.settings(width),
        )  # fmt: skip
        of_tokens, of_inputs, of_bias = _input_gradients(moved, rows, of_input)
        of_states, of_bias_state = _state_weight_gradients(behind, before), _column_sums(behind)
        forwards, reverse = ((of_inputs[d], of_states[d], of_bias[d], of_bias_state[d]) for d in range(2))
        return of_tokens.view(places, count, -1).to(ctx.dtype), None, *forwards, *reverse
