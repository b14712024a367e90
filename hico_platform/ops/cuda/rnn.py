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

from hico_platform.ops._backend import autocast_dtype, without_autocast
from hico_platform.ops.cuda.launch import EXACT, first_tokens, shared_memory
from hico_platform.ops.precision import recurrences_in_tf32

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
def _program(token_offsets, count):
    """Of this program: its direction, its granularity's first token and length, and its sequences."""
    first_token = tl.load(token_offsets + tl.program_id(1))
    return tl.program_id(2), first_token, tl.load(token_offsets + tl.program_id(1) + 1) - first_token, tl.program_id(0)


@triton.jit
def _lstm_forward(
    gates_x,  # (P*N, 2, gates*H): the input's part of the gates
    weight,  # (2, H, gates*H) forwards, (2, gates*H, H) backwards: W_hh
    bias,  # float32 (2, gates*H): b_ih + b_hh, of a candidate b_ih
    token_offsets,  # int32 (G + 1,): each granularity's first token
    gates,  # float32 (P*N, 2, gates*H): the gates, saved for the backward pass
    cells,  # float32 (P*N, 2, H): c, saved for the backward pass
    out,  # float32 (P*N, 2, H): h
    h_before,  # (P*N, 2, H) out: h before each token, in the type of the products
    count,  # N, sequences
    H: tl.constexpr,  # units of a direction
    BLOCK_H: tl.constexpr,  # power of two, at least H
    BLOCK_K: tl.constexpr,  # terms of a product that are read at a time
    BLOCK_N: tl.constexpr,  # sequences of a program
    SAVE_GATES: tl.constexpr,  # whether a backward pass may follow
    PRECISION: tl.constexpr,  # of float32's products: tf32, or exact by tf32x3
):
    d, first_token, length, block = _program(token_offsets, count)
    n = (block * BLOCK_N + tl.arange(0, BLOCK_N)).to(tl.int64)
    j, k = tl.arange(0, BLOCK_H), tl.arange(0, BLOCK_K)
    row_mask, mask = n[:, None] < count, (n[:, None] < count) & (j[None, :] < H)
    row = 2 * ((first_token + tl.where(d == 0, 0, length - 1)) * count + n) + d
    row_step = tl.where(d == 0, 2 * count, -2 * count)  # to the row of the token that the next step visits
    cell = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
    tl.store(h_before + row[:, None] * H + j[None, :], cell.to(h_before.dtype.element_ty), mask=mask)
    tl.debug_barrier()
    b = bias + d * 4 * H + j
    bias_input = tl.load(b, mask=j < H, other=0.0)[None, :]
    bias_forget = tl.load(b + H, mask=j < H, other=0.0)[None, :]
    bias_cell = tl.load(b + 2 * H, mask=j < H, other=0.0)[None, :]
    bias_output = tl.load(b + 3 * H, mask=j < H, other=0.0)[None, :]
    for step in range(length):
        input_gate = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
        forget_gate = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
        cell_gate = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
        output_gate = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
        for k0 in range(0, H, BLOCK_K):
            k_mask = k + k0 < H
            state = tl.load(h_before + row[:, None] * H + (k0 + k)[None, :], mask=row_mask & k_mask[None, :], other=0.0)
            w = weight + (d * H + k0 + k)[:, None] * (4 * H) + j[None, :]
            w_mask = k_mask[:, None] & (j[None, :] < H)
            input_gate = tl.dot(state, tl.load(w, mask=w_mask, other=0.0), input_gate, input_precision=PRECISION)
            forget_gate = tl.dot(state, tl.load(w + H, mask=w_mask, other=0.0), forget_gate, input_precision=PRECISION)
            cell_gate = tl.dot(state, tl.load(w + 2 * H, mask=w_mask, other=0.0), cell_gate, input_precision=PRECISION)
            output_gate = tl.dot(
                state, tl.load(w + 3 * H, mask=w_mask, other=0.0), output_gate, input_precision=PRECISION
            )
        x = gates_x + row[:, None] * (4 * H) + j[None, :]
        input_gate = _sigmoid(input_gate + bias_input + tl.load(x, mask=mask, other=0.0).to(tl.float32))
        forget_gate = _sigmoid(forget_gate + bias_forget + tl.load(x + H, mask=mask, other=0.0).to(tl.float32))
        cell_gate = _tanh(cell_gate + bias_cell + tl.load(x + 2 * H, mask=mask, other=0.0).to(tl.float32))
        output_gate = _sigmoid(output_gate + bias_output + tl.load(x + 3 * H, mask=mask, other=0.0).to(tl.float32))
        cell = input_gate * cell_gate + forget_gate * cell
        h = output_gate * _tanh(cell)
        tl.store(out + row[:, None] * H + j[None, :], h, mask=mask)
        if SAVE_GATES:
            g = gates + row[:, None] * (4 * H) + j[None, :]
            tl.store(g, input_gate, mask=mask)
            tl.store(g + H, forget_gate, mask=mask)
            tl.store(g + 2 * H, cell_gate, mask=mask)
            tl.store(g + 3 * H, output_gate, mask=mask)
            tl.store(cells + row[:, None] * H + j[None, :], cell, mask=mask)
        row += row_step
        next_mask = mask & (step + 1 < length)
        tl.store(h_before + row[:, None] * H + j[None, :], h.to(h_before.dtype.element_ty), mask=next_mask)
        tl.debug_barrier()


@triton.jit
def _lstm_backward(
    grad_out,  # (P*N, 2, H): gradient of out
    weight,  # (2, H, gates*H) forwards, (2, gates*H, H) backwards: W_hh
    token_offsets,  # int32 (G + 1,): each granularity's first token
    gates,  # float32 (P*N, 2, gates*H): the gates, saved for the backward pass
    cells,  # float32 (P*N, 2, H): c, saved for the backward pass
    grad_gates,  # out (P*N, 2, gates*H): gradient before the activations
    count,  # N, sequences
    H: tl.constexpr,  # units of a direction
    BLOCK_H: tl.constexpr,  # power of two, at least H
    BLOCK_K: tl.constexpr,  # terms of a product that are read at a time
    BLOCK_N: tl.constexpr,  # sequences of a program
    PRECISION: tl.constexpr,  # of float32's products: tf32, or exact by tf32x3
):
    d, first_token, length, block = _program(token_offsets, count)
    n = (block * BLOCK_N + tl.arange(0, BLOCK_N)).to(tl.int64)
    j, k = tl.arange(0, BLOCK_H), tl.arange(0, BLOCK_K)
    row_mask, mask = n[:, None] < count, (n[:, None] < count) & (j[None, :] < H)
    row = 2 * ((first_token + tl.where(d == 0, length - 1, 0)) * count + n) + d
    row_step = tl.where(d == 0, -2 * count, 2 * count)
    grad_cell = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
    grad_h_carried = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
    for step in range(length):
        g = gates + row[:, None] * (4 * H) + j[None, :]
        input_gate = tl.load(g, mask=mask, other=0.0)
        forget_gate = tl.load(g + H, mask=mask, other=0.0)
        cell_gate = tl.load(g + 2 * H, mask=mask, other=0.0)
        output_gate = tl.load(g + 3 * H, mask=mask, other=0.0)
        tanh_cell = _tanh(tl.load(cells + row[:, None] * H + j[None, :], mask=mask, other=0.0))
        before = (row + row_step)[:, None] * H + j[None, :]
        cell_before = tl.load(cells + before, mask=mask & (step + 1 < length), other=0.0)
        grad_h = grad_h_carried + tl.load(grad_out + row[:, None] * H + j[None, :], mask=mask, other=0.0).to(tl.float32)
        grad_cell += grad_h * output_gate * (1.0 - tanh_cell * tanh_cell)
        m = grad_gates + row[:, None] * (4 * H) + j[None, :]
        dtype = grad_gates.dtype.element_ty
        tl.store(m, (grad_cell * cell_gate * input_gate * (1.0 - input_gate)).to(dtype), mask=mask)
        tl.store(m + H, (grad_cell * cell_before * forget_gate * (1.0 - forget_gate)).to(dtype), mask=mask)
        tl.store(m + 2 * H, (grad_cell * input_gate * (1.0 - cell_gate * cell_gate)).to(dtype), mask=mask)
        tl.store(m + 3 * H, (grad_h * tanh_cell * output_gate * (1.0 - output_gate)).to(dtype), mask=mask)
        grad_cell *= forget_gate
        tl.debug_barrier()
        grad_h_carried = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
        for k0 in range(0, 4 * H, BLOCK_K):
            k_mask = k + k0 < 4 * H
            left = tl.load(
                grad_gates + row[:, None] * (4 * H) + (k0 + k)[None, :], mask=row_mask & k_mask[None, :], other=0.0
            )
            w = weight + (d * 4 * H + k0 + k)[:, None] * H + j[None, :]
            right = tl.load(w, mask=k_mask[:, None] & (j[None, :] < H), other=0.0)
            grad_h_carried = tl.dot(left, right, grad_h_carried, input_precision=PRECISION)
        row += row_step


@triton.jit
def _gru_forward(
    gates_x,  # (P*N, 2, gates*H): the input's part of the gates
    weight,  # (2, H, gates*H) forwards, (2, gates*H, H) backwards: W_hh
    bias,  # float32 (2, gates*H): b_ih + b_hh, of a candidate b_ih
    bias_state,  # float32 (2, H): b_hh of the candidate
    token_offsets,  # int32 (G + 1,): each granularity's first token
    gates,  # float32 (P*N, 2, gates*H): the gates, saved for the backward pass
    hidden_terms,  # float32 (P*N, 2, H): the candidate's W_hn h + b_hn, saved for the backward pass
    out,  # float32 (P*N, 2, H): h
    h_before,  # (P*N, 2, H) out: h before each token, in the type of the products
    count,  # N, sequences
    H: tl.constexpr,  # units of a direction
    BLOCK_H: tl.constexpr,  # power of two, at least H
    BLOCK_K: tl.constexpr,  # terms of a product that are read at a time
    BLOCK_N: tl.constexpr,  # sequences of a program
    SAVE_GATES: tl.constexpr,  # whether a backward pass may follow
    PRECISION: tl.constexpr,  # of float32's products: tf32, or exact by tf32x3
):
    d, first_token, length, block = _program(token_offsets, count)
    n = (block * BLOCK_N + tl.arange(0, BLOCK_N)).to(tl.int64)
    j, k = tl.arange(0, BLOCK_H), tl.arange(0, BLOCK_K)
    row_mask, mask = n[:, None] < count, (n[:, None] < count) & (j[None, :] < H)
    row = 2 * ((first_token + tl.where(d == 0, 0, length - 1)) * count + n) + d
    row_step = tl.where(d == 0, 2 * count, -2 * count)
    h = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
    tl.store(h_before + row[:, None] * H + j[None, :], h.to(h_before.dtype.element_ty), mask=mask)
    tl.debug_barrier()
    b = bias + d * 3 * H + j
    bias_reset = tl.load(b, mask=j < H, other=0.0)[None, :]
    bias_update = tl.load(b + H, mask=j < H, other=0.0)[None, :]
    bias_candidate = tl.load(b + 2 * H, mask=j < H, other=0.0)[None, :]
    bias_inner = tl.load(bias_state + d * H + j, mask=j < H, other=0.0)[None, :]
    for step in range(length):
        reset = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
        update = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
        hidden_term = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
        for k0 in range(0, H, BLOCK_K):
            k_mask = k + k0 < H
            state = tl.load(h_before + row[:, None] * H + (k0 + k)[None, :], mask=row_mask & k_mask[None, :], other=0.0)
            w = weight + (d * H + k0 + k)[:, None] * (3 * H) + j[None, :]
            w_mask = k_mask[:, None] & (j[None, :] < H)
            reset = tl.dot(state, tl.load(w, mask=w_mask, other=0.0), reset, input_precision=PRECISION)
            update = tl.dot(state, tl.load(w + H, mask=w_mask, other=0.0), update, input_precision=PRECISION)
            hidden_term = tl.dot(
                state, tl.load(w + 2 * H, mask=w_mask, other=0.0), hidden_term, input_precision=PRECISION
            )
        x = gates_x + row[:, None] * (3 * H) + j[None, :]
        reset = _sigmoid(reset + bias_reset + tl.load(x, mask=mask, other=0.0).to(tl.float32))
        update = _sigmoid(update + bias_update + tl.load(x + H, mask=mask, other=0.0).to(tl.float32))
        hidden_term += bias_inner
        candidate_x = tl.load(x + 2 * H, mask=mask, other=0.0).to(tl.float32)
        candidate = _tanh(candidate_x + bias_candidate + reset * hidden_term)
        h = candidate + update * (h - candidate)
        tl.store(out + row[:, None] * H + j[None, :], h, mask=mask)
        if SAVE_GATES:
            g = gates + row[:, None] * (3 * H) + j[None, :]
            tl.store(g, reset, mask=mask)
            tl.store(g + H, update, mask=mask)
            tl.store(g + 2 * H, candidate, mask=mask)
            tl.store(hidden_terms + row[:, None] * H + j[None, :], hidden_term, mask=mask)
        row += row_step
        next_mask = mask & (step + 1 < length)
        tl.store(h_before + row[:, None] * H + j[None, :], h.to(h_before.dtype.element_ty), mask=next_mask)
        tl.debug_barrier()


@triton.jit
def _gru_backward(
    grad_out,  # (P*N, 2, H): gradient of out
    weight,  # (2, H, gates*H) forwards, (2, gates*H, H) backwards: W_hh
    token_offsets,  # int32 (G + 1,): each granularity's first token
    gates,  # float32 (P*N, 2, gates*H): the gates, saved for the backward pass
    hidden_terms,  # float32 (P*N, 2, H): the candidate's W_hn h + b_hn, saved for the backward pass
    out,  # float32 (P*N, 2, H): h
    grad_gates_x,  # out (P*N, 2, 3*H): gradient of gates_x
    grad_gates_h,  # out (P*N, 2, 3*H): gradient of W_hh h
    count,  # N, sequences
    H: tl.constexpr,  # units of a direction
    BLOCK_H: tl.constexpr,  # power of two, at least H
    BLOCK_K: tl.constexpr,  # terms of a product that are read at a time
    BLOCK_N: tl.constexpr,  # sequences of a program
    PRECISION: tl.constexpr,  # of float32's products: tf32, or exact by tf32x3
):
    d, first_token, length, block = _program(token_offsets, count)
    n = (block * BLOCK_N + tl.arange(0, BLOCK_N)).to(tl.int64)
    j, k = tl.arange(0, BLOCK_H), tl.arange(0, BLOCK_K)
    row_mask, mask = n[:, None] < count, (n[:, None] < count) & (j[None, :] < H)
    row = 2 * ((first_token + tl.where(d == 0, length - 1, 0)) * count + n) + d
    row_step = tl.where(d == 0, -2 * count, 2 * count)
    grad_h_carried = tl.zeros((BLOCK_N, BLOCK_H), tl.float32)
    for step in range(length):
        g = gates + row[:, None] * (3 * H) + j[None, :]
        reset = tl.load(g, mask=mask, other=0.0)
        update = tl.load(g + H, mask=mask, other=0.0)
        candidate = tl.load(g + 2 * H, mask=mask, other=0.0)
        hidden_term = tl.load(hidden_terms + row[:, None] * H + j[None, :], mask=mask, other=0.0)
        before = (row + row_step)[:, None] * H + j[None, :]
        h = tl.load(out + before, mask=mask & (step + 1 < length), other=0.0)
        grad_h = grad_h_carried + tl.load(grad_out + row[:, None] * H + j[None, :], mask=mask, other=0.0).to(tl.float32)
        grad_update = grad_h * (h - candidate) * update * (1.0 - update)
        grad_h_carried = grad_h * update
        grad_candidate = (grad_h - grad_h_carried) * (1.0 - candidate * candidate)
        grad_reset = grad_candidate * hidden_term * reset * (1.0 - reset)
        m = grad_gates_x + row[:, None] * (3 * H) + j[None, :]
        s = grad_gates_h + row[:, None] * (3 * H) + j[None, :]
        dtype = grad_gates_x.dtype.element_ty
        tl.store(m, grad_reset.to(dtype), mask=mask)
        tl.store(m + H, grad_update.to(dtype), mask=mask)
        tl.store(m + 2 * H, grad_candidate.to(dtype), mask=mask)
        tl.store(s, grad_reset.to(dtype), mask=mask)
        tl.store(s + H, grad_update.to(dtype), mask=mask)
        tl.store(s + 2 * H, (grad_candidate * reset).to(dtype), mask=mask)
        tl.debug_barrier()
        for k0 in range(0, 3 * H, BLOCK_K):
            k_mask = k + k0 < 3 * H
            left = tl.load(
                grad_gates_h + row[:, None] * (3 * H) + (k0 + k)[None, :], mask=row_mask & k_mask[None, :], other=0.0
            )
            w = weight + (d * 3 * H + k0 + k)[:, None] * H + j[None, :]
            right = tl.load(w, mask=k_mask[:, None] & (j[None, :] < H), other=0.0)
            grad_h_carried = tl.dot(left, right, grad_h_carried, input_precision=PRECISION)
        row += row_step


class LayerOptions(NamedTuple):
    """``precision`` of products; ``products`` says what becomes of float32: EXACT, or "tf32"."""

    lengths: tuple[int, ...]  # of the granularities
    precision: torch.dtype
    products: str
    gates: int  # of a unit
    needs_grad: bool  # a backward pass may follow

    def grid(self, count: int) -> tuple[int, int, int]:
        """Programs: some sequences, a granularity, a direction."""
        return -(-count // _ROWS), len(self.lengths), 2

    def settings(self, width: int) -> dict[str, Any]:
        """What the kernels are compiled for, at ``width`` units a direction."""
        block_h = _units(width)
        k, stages = _fitting(block_h, self.precision, self.gates, shared_memory()) or (16, 2)
        return {
            "H": width, "BLOCK_H": block_h, "BLOCK_K": min(k, block_h), "BLOCK_N": _ROWS, "PRECISION": self.products,
            "num_warps": _WARPS if block_h > 64 else 4, "num_stages": stages,
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


def _fitting(block_h: int, precision: torch.dtype, gates: int, available: int) -> tuple[int, int] | None:
    """Terms that are summed at a time and stages of loading them ahead: the most that fit in ``available`` bytes."""
    size = torch.finfo(precision).bits // 8
    for k, stages in ((64 // size, 3), (64 // size, 2), (16, 2)):
        if (stages - 1) * k * (gates * block_h + _ROWS) * size <= available:
            return k, stages
    return None


def _input_and_state_weights(weights: tuple[Tensor, ...], precision: torch.dtype) -> tuple[Tensor, Tensor]:
    """Both directions' W_ih (2*gates*H, D) and W_hh (2, gates*H, H), of a layer's weights in PyTorch's order."""
    return torch.cat([weights[0], weights[4]]).to(precision), torch.stack([weights[1], weights[5]]).to(precision)


def _input_gradients(grad_gates: Tensor, x_rows: Tensor, weight_ih: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of tokens (P*N, D), W_ih (2, gates*H, D) and b_ih (2, gates*H), from ``grad_gates`` (P, N, 2, gates*H)."""
    flat = grad_gates.view(len(x_rows), -1)
    grad_weight_ih = (flat.T @ x_rows).float().view(2, -1, x_rows.shape[1])
    return flat @ weight_ih, grad_weight_ih, _column_sums(grad_gates)


def _column_sums(grad_gates: Tensor) -> Tensor:
    """(P, N, 2, gates*H) to float32 (2, gates*H)."""
    return grad_gates.flatten(0, 1).sum(dim=0, dtype=torch.float32)


def _state_weight_gradients(grad_gates: Tensor, h_before: Tensor) -> list[Tensor]:
    """Of both directions' W_hh (gates*H, H), a product each: of two at once cuBLAS shares out no sums."""
    return [(grad_gates[:, :, d].flatten(0, 1).T @ h_before[:, :, d].flatten(0, 1)).float() for d in range(2)]


class Lstm(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: input, forget, cell, output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, options: LayerOptions, *weights: Tensor) -> Tensor:
        """``x`` (P, N, D); of each direction W_ih (4H, D), W_hh (4H, H), b_ih and b_hh (4H,). Gives (P, N, 2H)."""
        (length, count, _), width = x.shape, weights[1].shape[1]
        x_rows = x.to(options.precision).flatten(0, 1).contiguous()  # (P*N, D)
        weight_ih, weight_hh = _input_and_state_weights(weights, options.precision)
        gates_x = x_rows @ weight_ih.T
        bias = torch.stack([weights[2] + weights[3], weights[6] + weights[7]])
        out = bias.new_empty(length, count, 2, width)
        h_before = torch.empty_like(out, dtype=options.precision)
        gates = bias.new_empty(length, count, 2, 4 * width) if options.needs_grad else out
        cells = torch.empty_like(out) if options.needs_grad else out
        _lstm_forward[options.grid(count)](
            gates_x, weight_hh.transpose(1, 2).contiguous(), bias, first_tokens(options.lengths, x.device), gates,
            cells, out, h_before, count, SAVE_GATES=options.needs_grad, **options.settings(width),
        )  # fmt: skip
        if options.needs_grad:
            ctx.save_for_backward(weight_hh, gates, cells, h_before, x_rows, weight_ih)
            ctx.options, ctx.dtype = options, x.dtype
        return out.view(length, count, 2 * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens and weights."""
        weight_hh, gates, cells, h_before, x_rows, weight_ih = ctx.saved_tensors
        options: LayerOptions = ctx.options
        length, count, _, width = h_before.shape
        grad_gates, grad_out = torch.empty_like(gates, dtype=options.precision), gradients[0].contiguous()
        _lstm_backward[options.grid(count)](
            grad_out,
            weight_hh,
            first_tokens(options.lengths, gates.device),
            gates,
            cells,
            grad_gates,
            count,
            **options.settings(width),
        )
        grad_x, grad_weight_ih, grad_bias = _input_gradients(grad_gates, x_rows, weight_ih)
        grad_weight_hh = _state_weight_gradients(grad_gates, h_before)
        forwards, reverse = (
            (grad_weight_ih[d], grad_weight_hh[d], grad_bias[d], grad_bias[d].clone()) for d in range(2)
        )
        return grad_x.view(length, count, -1).to(ctx.dtype), None, *forwards, *reverse


class Gru(torch.autograd.Function):
    """One bidirectional layer; gates in PyTorch's order: reset, update, candidate."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, options: LayerOptions, *weights: Tensor) -> Tensor:
        """As the LSTM's with 3H gates."""
        (length, count, _), width = x.shape, weights[1].shape[1]
        x_rows = x.to(options.precision).flatten(0, 1).contiguous()  # (P*N, D)
        weight_ih, weight_hh = _input_and_state_weights(weights, options.precision)
        gates_x = x_rows @ weight_ih.T
        # The candidate's state term is multiplied by the reset gate, so its bias stays apart.
        bias, bias_hh = torch.stack([weights[2], weights[6]]), torch.stack([weights[3], weights[7]])
        bias[:, : 2 * width] += bias_hh[:, : 2 * width]
        bias_candidate_h = bias_hh[:, 2 * width :].contiguous()
        out = bias.new_empty(length, count, 2, width)
        h_before = torch.empty_like(out, dtype=options.precision)
        gates = bias.new_empty(length, count, 2, 3 * width) if options.needs_grad else out
        hidden_terms = torch.empty_like(out) if options.needs_grad else out
        _gru_forward[options.grid(count)](
            gates_x, weight_hh.transpose(1, 2).contiguous(), bias, bias_candidate_h,
            first_tokens(options.lengths, x.device), gates, hidden_terms, out, h_before, count,
            SAVE_GATES=options.needs_grad, **options.settings(width),
        )  # fmt: skip
        if options.needs_grad:
            ctx.save_for_backward(weight_hh, gates, hidden_terms, out, h_before, x_rows, weight_ih)
            ctx.options, ctx.dtype = options, x.dtype
        return out.view(length, count, 2 * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens and weights."""
        weight_hh, gates, hidden_terms, out, h_before, x_rows, weight_ih = ctx.saved_tensors
        options: LayerOptions = ctx.options
        length, count, _, width = h_before.shape
        grad_gates, grad_gates_h = (torch.empty_like(gates, dtype=options.precision) for _ in range(2))
        grad_out = gradients[0].contiguous()
        _gru_backward[options.grid(count)](
            grad_out, weight_hh, first_tokens(options.lengths, gates.device), gates, hidden_terms, out,
            grad_gates, grad_gates_h, count, **options.settings(width),
        )  # fmt: skip
        grad_x, grad_weight_ih, grad_bias = _input_gradients(grad_gates, x_rows, weight_ih)
        grad_weight_hh, grad_bias_hh = _state_weight_gradients(grad_gates_h, h_before), _column_sums(grad_gates_h)
        forwards, reverse = ((grad_weight_ih[d], grad_weight_hh[d], grad_bias[d], grad_bias_hh[d]) for d in range(2))
        return grad_x.view(length, count, -1).to(ctx.dtype), None, *forwards, *reverse


_GATES = {"gru": 3, "lstm": 4}


def supports(x: Tensor, *weights: Tensor, cell: str, hidden: int) -> bool:
    """What is not cuDNN's: layers that are too wide, and float32 on a GPU without enough tensor cores."""
    precision, products = _precision(x)
    return fits(hidden, _GATES[cell], precision, products=products)


def rnn(x: Tensor, lengths: tuple[int, ...], cell: str, layers: list[tuple[Tensor, ...]]) -> Tensor:
    """(P, N, D) to (P, N, D); of each layer and direction W_ih, W_hh, b_ih and b_hh, the reverse direction's last."""
    precision, products = _precision(x)
    layer = {"gru": Gru, "lstm": Lstm}[cell]
    with without_autocast(x):
        for weights in layers:
            needs_grad = torch.is_grad_enabled() and any(each.requires_grad for each in (x, *weights))
            options = LayerOptions(
                lengths=lengths, precision=precision, products=products, gates=_GATES[cell], needs_grad=needs_grad
            )
            x = layer.apply(x, options, *weights)
    return x


def _precision(x: Tensor) -> tuple[torch.dtype, str]:
    """The type of the factors of products, and what becomes of float32."""
    precision = autocast_dtype(x)
    return precision, "tf32" if precision is not torch.float32 or recurrences_in_tf32() else EXACT
