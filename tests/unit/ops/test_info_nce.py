from __future__ import annotations

import torch

from hico_platform.ops.info_nce import Logits, loss_of_logits


def test_multi_positive_info_nce_is_its_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    positive, negative = torch.randn(6, 3, generator=generator), torch.randn(6, 9, generator=generator)
    share = positive.exp().sum(1) / (positive.exp().sum(1) + negative.exp().sum(1))
    torch.testing.assert_close(loss_of_logits(Logits(positive, negative)), -share.log().mean())


def test_info_nce_with_one_positive_is_cross_entropy_and_survives_large_logits() -> None:
    generator = torch.Generator().manual_seed(0)
    positive, negative = torch.randn(6, 1, generator=generator) * 500, torch.randn(6, 9, generator=generator) * 500
    expected = torch.nn.functional.cross_entropy(torch.cat([positive, negative], 1), torch.zeros(6, dtype=torch.long))
    torch.testing.assert_close(loss_of_logits(Logits(positive, negative)), expected)
