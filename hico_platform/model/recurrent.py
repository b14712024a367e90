"""Bidirectional GRU and LSTM as a branch's sequence-to-sequence encoder (paper: GRU and LSTM based encoders)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from hico_platform.ops.rnn import rnn


class Recurrent(nn.Module):
    """Bidirectional GRU or LSTM of D/2 units a direction."""

    def __init__(self, cell: Callable[..., nn.RNNBase], *, width: int, layers: int) -> None:
        super().__init__()
        self.rnn = cell(width, width // 2, num_layers=layers, batch_first=True, bidirectional=True)

    def forward(self, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (P, N, D), P being the tokens of all granularities; each is a sequence of its own."""
        return rnn(self.rnn, tokens, lengths)
