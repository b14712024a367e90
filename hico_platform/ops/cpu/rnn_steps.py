"""The steps of a recurrent layer on a CPU: which tokens each visits, and the passes over them that kernels take.

In float32 one call makes all steps of a layer, products inside. In bfloat16, and on processors whose registers the
kernels do not know, each step is a product by PyTorch and a kernel for the gates.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hico_platform.ops.cpu.library import Argument, call, multiplies, passed, repeated, suffix
from hico_platform.ops.granularities import Packing

GRU, LSTM = 3, 4  # gates of a unit, by which a kernel tells the cells apart


class _Step(ctypes.Structure):
    """The C structure ``Step`` (kernels.c)."""

    _fields_ = (
        ("token", ctypes.c_void_p),
        ("previous", ctypes.c_void_p),
        ("granularities", ctypes.c_int64),
        ("sequences", ctypes.c_int64),
        ("hidden", ctypes.c_int64),
        ("max_rows", ctypes.c_int64),
        ("all_rows", ctypes.c_int64),
    )


class Steps(NamedTuple):
    """Which tokens each step visits, as the kernels take it."""

    array: Any  # of _Step
    steps: list[tuple[Any, int]]  # each step by reference, and its rows in a direction
    tokens: list[Tensor]  # what the array points to
    max_rows: int  # rows of the first step, which has the most


@lru_cache(maxsize=64)
def steps_of(packed: Packing, sequences: int, hidden: int) -> Steps:
    """The steps of a packing of ``sequences`` with ``hidden`` units a direction. The tensors must not be written to."""
    array = (_Step * len(packed.bounds))()
    max_rows = packed.counts[0] * sequences
    tokens: list[Tensor] = []
    for index, (first, last) in enumerate(packed.bounds):
        token = packed.order[:, first:last].contiguous()
        step = array[index]
        step.token, step.granularities, step.sequences, step.hidden = token.data_ptr(), last - first, sequences, hidden
        step.max_rows, step.all_rows = max_rows, packed.order.shape[1] * sequences
        if index > 0:
            previous = tokens[-1][:, : last - first].contiguous()
            step.previous = previous.data_ptr()
            tokens.append(previous)
        tokens.append(token)
    steps = [(ctypes.byref(step), step.granularities * sequences) for step in array]
    return Steps(array=array, steps=steps, tokens=tokens, max_rows=max_rows)


class LayerSettings(NamedTuple):
    """How a layer is computed."""

    packed: Packing
    precision: torch.dtype  # of the products
    saves: bool  # a backward pass may follow

    @property
    def one_call(self) -> bool:
        """Whether one call makes all steps."""
        return self.precision is torch.float32 and multiplies()


def all_steps(direction: str, num_gates: int, steps: Steps, *arguments: Argument) -> None:
    """All steps of a layer by one call, "forward" or "backward"; ``num_gates`` is GRU or LSTM."""
    call(f"rnn_layer_{direction}", num_gates, steps.array, len(steps.array), torch.get_num_threads(), *arguments)


class Pointers:
    """Where the tensors of both directions are, as a kernel takes it; they must outlive the call."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors
        self.array = (ctypes.c_void_p * 2)(*(each.data_ptr() for each in tensors))


def forward_steps(
    settings: LayerSettings, cell: str, steps: Steps, weight_hh: Tensor, input_gates: Tensor, gates: Tensor | None,
    *others: Tensor | None,
) -> None:  # fmt: skip
    """One step after another; ``others`` are the kernel's further tensors but for the state that it hands on."""
    size, hidden = weight_hh.shape[1:]
    state = weight_hh.new_empty(2, steps.max_rows, hidden)
    products = _products(steps, lambda rows: state[:, :rows], size, weight_hh)
    kernel = repeated(f"{cell}_forward_{suffix(settings.precision)}")
    transposed = weight_hh.transpose(1, 2)
    before, after = [passed(each) for each in (input_gates, gates)], [passed(each) for each in (*others, state)]
    for index, (step, rows) in enumerate(steps.steps):
        product = products[rows]
        if index > 0:
            torch.bmm(product.left, transposed, out=product.out)
        kernel(step, *before, product.out_pointer, *after)


def backward_steps(
    settings: LayerSettings, cell: str, steps: Steps, weight_hh: Tensor, grad_gates: Tensor, saved: tuple[Tensor, ...],
    *others: Tensor,
) -> None:  # fmt: skip
    """The last step first; ``saved`` begins with the output's gradient and the gates."""
    size, hidden = weight_hh.shape[1:]
    carried = torch.empty(2, steps.max_rows, hidden)
    state_side = weight_hh.new_empty(2 * steps.max_rows * size)
    products = _products(steps, lambda rows: state_side[: 2 * rows * size].view(2, rows, size), hidden, weight_hh)
    kernel = repeated(f"{cell}_backward_{suffix(settings.precision)}")
    before, after = [passed(each) for each in (*saved, carried)], [passed(each) for each in others]
    grad_gates_pointer, later_rows, arriving = passed(grad_gates), 0, products[steps.steps[-1][1]]
    for index in reversed(range(len(steps.steps))):
        step, rows = steps.steps[index]
        product = products[rows]
        kernel(
            step, *before, arriving.out_pointer, ctypes.c_int64(later_rows), grad_gates_pointer, product.left_pointer,
            *after,
        )  # fmt: skip
        if index > 0:
            torch.bmm(product.left, weight_hh, out=product.out)
            arriving, later_rows = product, rows


class _Product(NamedTuple):
    """What goes into the products of the steps with the same granularities, and what comes out."""

    left: Tensor
    out: Tensor
    left_pointer: object
    out_pointer: object


def _products(steps: Steps, left: Callable[[int], Tensor], width: int, like: Tensor) -> dict[int, _Product]:
    """For each number of rows, its part of one buffer that every step writes anew."""
    buffer = like.new_empty(2 * steps.max_rows * width)
    products = {}
    for rows in {rows for _, rows in steps.steps}:
        factor, out = left(rows), buffer[: 2 * rows * width].view(2, rows, width)
        products[rows] = _Product(left=factor, out=out, left_pointer=passed(factor), out_pointer=passed(out))
    return products
