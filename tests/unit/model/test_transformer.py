from __future__ import annotations

import pytest
import torch

from hico_platform.model.transformer import Transformer
from hico_platform.ops import _backend
from tests.unit.model.test_recurrent import LENGTHS, granularities


@pytest.mark.parametrize("training", [False, True])
def test_transformer_attends_within_a_granularity_alone(training: bool) -> None:
    torch.manual_seed(0)
    module = Transformer(width=8, layers=2, heads=2, dropout=0.0).train(training)
    tokens = granularities(8)
    together = module(tokens, LENGTHS)
    for part, expected in zip(tokens.split(LENGTHS), together.split(LENGTHS), strict=True):
        torch.testing.assert_close(module(part, (len(part),)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernels", [True, False])
def test_a_transformer_s_last_layer_is_float32_in_bf16_too(kernels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernels:
        monkeypatch.setattr(_backend, "chosen", lambda *tensors: None)
    module = Transformer(width=16, layers=2, heads=2, dropout=0.0)
    tokens = granularities(16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = module(tokens.bfloat16(), LENGTHS)
    assert reduced.dtype is torch.float32  # a maximum over bfloat16 has many equals
    exact = module(tokens, LENGTHS)
    assert (reduced - exact).norm() <= 0.02 * exact.norm()
