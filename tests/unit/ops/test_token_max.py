"""The maximum over tokens, by whatever computes it here and by PyTorch's operators."""

from __future__ import annotations

import pytest
import torch

from hico_platform.feature_flags import without
from hico_platform.ops.token_max import token_max

LENGTHS = (7, 3, 1)


@pytest.mark.parametrize("kernels", ["on", "off"])
def test_maximum_and_its_gradient_are_those_of_amax_ties_included(kernels: str) -> None:
    tokens = (
        torch.randn(sum(LENGTHS), 4, 5, generator=torch.Generator().manual_seed(0)).mul(2).round().requires_grad_()
    )  # many are equal
    with without(*(["HICO_KERNELS"] if kernels == "off" else [])):
        found = token_max(tokens, LENGTHS)
    expected = torch.stack([part.amax(dim=0) for part in tokens.split(LENGTHS)], dim=1)
    assert torch.equal(found, expected)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad((each * weights).sum(), tokens)[0] for each in (found, expected)]
    torch.testing.assert_close(*gradients)
