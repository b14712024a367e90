"""A step of the whole model by the GPU's kernels against PyTorch's operators; how to run it: see test_gpu_kernels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hico_platform.enums import EncoderType, Level, Precision, QueueWrap
from hico_platform.model.encoder import Tokens
from hico_platform.model.hico import HiCo
from hico_platform.ops import _backend
from hico_platform.ops.precision import float32_products
from tests.unit.ops.cuda import test_gpu_kernels as kernels

GPU = kernels.GPU
pytestmark = kernels.pytestmark
seeded = kernels.seeded


def use_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU they are used anyhow; the interpreter works on tensors of the CPU."""
    monkeypatch.delenv("HICO_KERNELS")
    if kernels.INTERPRETED:
        monkeypatch.setattr(_backend, "chosen", lambda x, *weights: "cuda")


def step(encoder: EncoderType) -> dict[str, Tensor]:
    model = HiCo(
        encoder=encoder, temporal_width=12, spatial_width=12, width=16, granularities=3, layers=2, heads=2, dropout=0.0,
        projection_width=8, queue_size=12, queue_wrap=QueueWrap.FULL, temperature=0.2, momentum=0.9,
        level_weights=dict.fromkeys(Level, 1.0),
    )  # fmt: skip
    model.initialise(torch.Generator().manual_seed(0))
    model.to(GPU)
    draw = torch.Generator().manual_seed(1)
    views = [
        Tokens(
            temporal=torch.randn(3, 8, 12, generator=draw).to(GPU),
            spatial=torch.randn(3, 6, 12, generator=draw).to(GPU),
        )
        for _ in range(2)
    ]
    with float32_products(Precision.FLOAT32, GPU):
        made = model(*views)
        made.losses.total.backward()
        model.enqueue(made.keys)
    gradients = {name: weight.grad for name, weight in model.query.named_parameters() if weight.grad is not None}
    return {"loss": made.losses.total.detach(), **gradients, **model.state_dict()}


@pytest.mark.slow
@pytest.mark.parametrize("encoder", kernels.sizes([*EncoderType], [EncoderType.GRU]))
def test_a_step_is_that_of_pytorchs_operators(encoder: EncoderType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_KERNELS", "off")
    expected = step(encoder)
    use_kernels(monkeypatch)
    found = step(encoder)
    assert found.keys() == expected.keys()
    assert len(found) > 50
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-4, atol=1e-5, msg=lambda said, name=name: f"{name}: {said}"
        )
