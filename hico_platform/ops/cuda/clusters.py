"""A recurrent layer in float32 on a GPU with clusters of blocks (H100, H200): ``recurrence.cu``.

A cluster keeps the recurrent weights in the shared memory of its eight multiprocessors, where a program of
:mod:`hico_platform.ops.cuda.recurrence` reads them from the L2 cache at every step.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from hico_platform.errors import first_line
from hico_platform.ops.cuda.compiler import Kernel, compiled, function
from hico_platform.ops.cuda.sizes import first_tokens, shared_memory

_LOG = logging.getLogger(__name__)
_SOURCE = Path(__file__).with_name("recurrence.cu")
_GPUS = ((9, 0),)
_BLOCKS, _ROWS, _APART = 8, 64, 4  # as recurrence.cu has them


class Layer:
    """Both passes of a layer of ``width`` units a direction and ``gates`` a unit (3: GRU, 4: LSTM)."""

    def __init__(self, width: int, gates: int, terms: int) -> None:
        module = compiled(_SOURCE, {"WIDTH": width, "GATES": gates, "TERMS": terms})
        weights, states, moved = _memory(width, gates)
        self._forward = Kernel(function(module, "forward"), threads=width, shared_memory=weights + states)
        self._backward = Kernel(function(module, "backward"), threads=width, shared_memory=weights + moved)

    def forward(
        self, given: Tensor, weight: Tensor, bias: Tensor, bias_inner: Tensor, lengths: tuple[int, ...], gates: Tensor,
        kept: Tensor, out: Tensor, before: Tensor, *, saves: bool,
    ) -> None:  # fmt: skip
        """``weight`` (2, gates*H, H); ``kept`` are an LSTM's cells, of a GRU its candidates' products with states."""
        _refuse(given, weight, bias, bias_inner, gates, kept, out, before)
        count = out.shape[1]
        self._forward(
            _blocks(count, lengths), given, weight, bias, bias_inner, first_tokens(lengths, out.device), gates, kept,
            out, before, count, int(saves),
        )  # fmt: skip

    def backward(
        self, given: Tensor, weight: Tensor, lengths: tuple[int, ...], gates: Tensor, kept: Tensor, out: Tensor,
        moved: Tensor, behind: Tensor,
    ) -> None:  # fmt: skip
        """``behind``, and ``out``, are a GRU's; anything else is as :meth:`forward` left it."""
        _refuse(given, weight, gates, kept, out, moved, behind)
        _, count, _, width = kept.shape
        blocks = _blocks(count, lengths)
        parts = kept.new_empty(blocks * 2 * _ROWS * width)
        self._backward(
            blocks, given, weight, first_tokens(lengths, kept.device), gates, kept, out, moved, behind, parts, count
        )


def _refuse(*tensors: Tensor) -> None:
    """The kernels write where they are told."""
    if not all(tensor.dtype is torch.float32 and tensor.is_contiguous() for tensor in tensors):
        raise TypeError("a layer by clusters takes contiguous float32 tensors alone")


def _blocks(count: int, lengths: tuple[int, ...]) -> int:
    return -(-count // _ROWS) * len(lengths) * 2 * _BLOCKS


def _memory(width: int, gates: int) -> tuple[int, int, int]:
    """Bytes of a block's weights, of states, and of gates' gradients."""
    mine = gates * width // _BLOCKS
    return 4 * mine * width, 4 * _ROWS * (width + _APART), 4 * _ROWS * (mine + _APART)


def layer(width: int, gates: int, *, terms: int) -> Layer | None:
    """None where clusters, or the memory that these sizes take, are not there."""
    if width % 64 or torch.cuda.get_device_capability() not in _GPUS:
        return None
    weights, states, moved = _memory(width, gates)
    if weights + max(states, moved) > shared_memory():
        return None
    return _tried(width, gates, terms, torch.cuda.current_device())


@cache
def _tried(width: int, gates: int, terms: int, device: int) -> Layer | None:
    """The layer, once it has run; a warning says why it can't.

    Raises:
        OutOfMemoryError: which says nothing about that.
        RuntimeError: it ran into an error, after which nothing runs on this GPU in this process.
    """
    zeros = torch.zeros(2, 1, 2, gates * width, device=torch.device("cuda", device))
    units, weight = zeros[..., :width].contiguous(), zeros.new_zeros(2, gates * width, width)
    bias, inner = weight[..., 0].contiguous(), weight[:, :width, 0].contiguous()
    try:
        made = Layer(width, gates, terms)
        made.forward(zeros, weight, bias, inner, (2,), zeros, units, units.clone(), units.clone(), saves=False)
        made.backward(units, weight, (2,), zeros, units, units, zeros.clone(), zeros.clone())
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        torch.cuda.synchronize()
        _LOG.warning("recurrent layers take longer, their kernel for clusters does not run: %s", first_line(error))
        return None
    torch.cuda.synchronize()
    return made
