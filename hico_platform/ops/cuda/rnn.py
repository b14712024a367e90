"""Bidirectional GRU and LSTM layers."""

from __future__ import annotations

import torch
from torch import Tensor

from hico_platform.ops._backend import autocast_dtype, without_autocast
from hico_platform.ops.cuda.launch import EXACT
from hico_platform.ops.cuda.recurrence import Gru, How, Lstm, fits
from hico_platform.ops.precision import recurrences_in_tf32

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
            wanted = torch.is_grad_enabled() and any(each.requires_grad for each in (x, *weights))
            how = How(lengths=lengths, precision=precision, products=products, gates=_GATES[cell], wanted=wanted)
            x = layer.apply(x, how, *weights)
    return x


def _precision(x: Tensor) -> tuple[torch.dtype, str]:
    """The type of the factors of products, and what becomes of float32."""
    precision = autocast_dtype(x)
    return precision, "tf32" if precision is not torch.float32 or recurrences_in_tf32() else EXACT
