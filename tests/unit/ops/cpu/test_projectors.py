"""A small model's heads by one call say what head by head they say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hico_platform.enums import Representation
from hico_platform.model.encoder import Features
from hico_platform.model.projector import Projectors
from hico_platform.ops.cpu import library


@pytest.fixture(autouse=True)
def with_kernels() -> None:
    found = library.kernels()
    if found is None or not found.multiplies:
        pytest.skip("no kernels that make products")


def found_and_gradients(heads: Projectors, inputs: list[Tensor], *, anchors: bool) -> list[Tensor]:
    """Unit vectors, and the gradients of features and parameters."""
    found = list(heads(Features(*inputs), anchors=anchors, units=True).values())
    given = [each.detach().cos() for each in found]
    return [*found, *torch.autograd.grad(found, [*inputs, *heads.parameters()], given)]


def same_head_by_head(heads: Projectors, at_once: list[Tensor], inputs: list[Tensor], *, anchors: bool) -> None:
    assert heads.small
    heads.small = False
    for one, other in zip(at_once, found_and_gradients(heads, inputs, anchors=anchors), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("anchors", [True, False])
@pytest.mark.parametrize(
    ("width", "granularities", "projected", "count"), [(64, 4, 128, 64), (20, 3, 10, 7), (33, 1, 7, 1)]
)
def test_all_at_once(width: int, granularities: int, projected: int, count: int, anchors: bool) -> None:
    heads = Projectors(width=width, granularities=granularities, projection_width=projected)
    inputs = [torch.randn(count, granularities, width, requires_grad=True) for _ in range(2)]
    at_once = found_and_gradients(heads, inputs, anchors=anchors)
    assert all(map(torch.equal, at_once, found_and_gradients(heads, inputs, anchors=anchors)))
    same_head_by_head(heads, at_once, inputs, anchors=anchors)


def test_what_autograd_keeps_is_what_the_gradient_reads() -> None:
    """Tensors that come back elsewhere than they were saved, and weights that lie another way."""
    heads = Projectors(width=16, granularities=2, projection_width=8)
    first = heads.get_parameter("heads.part.0.weight")
    first.data = first.data.T.contiguous().T
    inputs = [torch.randn(3, 2, 16, requires_grad=True) for _ in range(2)]
    with torch.autograd.graph.saved_tensors_hooks(torch.clone, torch.clone):
        at_once = found_and_gradients(heads, inputs, anchors=True)
    same_head_by_head(heads, at_once, inputs, anchors=True)


def test_a_head_that_makes_zeros() -> None:
    heads = Projectors(width=16, granularities=2, projection_width=8)
    torch.nn.init.zeros_(heads.get_parameter("heads.clip.2.weight"))
    torch.nn.init.zeros_(heads.get_parameter("heads.clip.2.bias"))
    features = torch.zeros(3, 2, 16, requires_grad=True)
    clip = heads(Features(features, features), anchors=True, units=True)[Representation.CLIP]
    assert bool((clip == 0).all())
    (gradient,) = torch.autograd.grad(clip.sum(), features)
    assert bool(gradient.isfinite().all())
