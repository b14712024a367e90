"""Bidirectional GRU and LSTM over the tokens of all granularities at once."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from hico_platform.ops._backend import kernels, without_autocast
from hico_platform.ops.granularities import packing


def rnn(module: nn.RNNBase, x: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """Output of ``module``, a bidirectional nn.GRU or nn.LSTM with D / 2 units a direction: (P, N, D) to (P, N, D).

    ``x`` holds the tokens of G granularities one after another, each a sequence of its own with ``lengths[g]`` tokens.
    Gates, cells and the output are float32; kernels compute products in autocast's type, PyTorch all in float32.
    """
    weights = module.all_weights  # of each layer, forwards and reverse: W_ih, W_hh, b_ih, b_hh
    cell = "lstm" if isinstance(module, nn.LSTM) else "gru"
    fast = kernels("rnn", x, *chain.from_iterable(weights), cell=cell, hidden=module.hidden_size)
    if fast is not None:
        layers = [(*forwards, *reverse) for forwards, reverse in zip(weights[::2], weights[1::2], strict=True)]
        return fast.rnn(x, lengths, cell, layers)  # type: ignore[no-any-return]
    packed = packing(lengths, x.device)
    sizes = torch.tensor([granularities * x.shape[1] for granularities in packed.counts])
    with without_autocast(x):  # cuDNN's own autocast would make float16 of all
        data = x.to(weights[0][0].dtype).index_select(0, packed.order[0]).flatten(0, 1)  # (P*N, D)
        output: Tensor = module(PackedSequence(data, sizes))[0].data
    return output.view(x.shape).index_select(0, packed.inverse[0])
