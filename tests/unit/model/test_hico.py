from __future__ import annotations

import pytest
import torch

from hico_platform.enums import EncoderType, Level, Precision, QueueWrap
from hico_platform.model.encoder import Tokens
from hico_platform.model.hico import HiCo


def make(encoder: EncoderType = EncoderType.GRU, *, granularities: int = 4, queue_wrap: QueueWrap = QueueWrap.FULL,
         weights: dict[Level, float] | None = None, precision: Precision = Precision.FLOAT32) -> HiCo:  # fmt: skip
    model = HiCo(
        encoder=encoder, temporal_width=150, spatial_width=48, width=16, granularities=granularities, layers=1,
        heads=4, dropout=0.1, projection_width=8, queue_size=12, queue_wrap=queue_wrap, temperature=0.2,
        momentum=0.9, level_weights=weights or dict.fromkeys(Level, 1.0), precision=precision,
    )  # fmt: skip
    model.initialise(torch.Generator().manual_seed(0))
    return model


def tokens(seed: int, count: int = 5) -> Tokens:
    generator = torch.Generator().manual_seed(seed)
    return Tokens(
        temporal=torch.randn(count, 16, 150, generator=generator),
        spatial=torch.randn(count, 50, 48, generator=generator),
    )


def test_initialisation_depends_on_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = make()
    torch.manual_seed(2)
    second = make()
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_key_encoder_starts_as_a_copy_moves_towards_the_query_and_has_no_gradient() -> None:
    model = make()
    pairs = list(zip(model.query.parameters(), model.key.parameters(), strict=True))
    assert all(torch.equal(query, key) for query, key in pairs)
    with torch.no_grad():
        for query, _ in pairs:
            query.add_(1.0)
    before = [key.clone() for _, key in pairs]
    model.move_key_encoder()
    for (query, key), old in zip(pairs, before, strict=True):
        torch.testing.assert_close(key, 0.9 * old + 0.1 * query)
    model(tokens(1), tokens(2)).losses.total.backward()
    assert all(key.grad is None for _, key in pairs)
    assert all(query.grad is not None for query, _ in pairs)


@pytest.mark.parametrize("encoder", EncoderType)
def test_bf16_keeps_losses_within_one_percent_and_everything_stored_in_float32(encoder: EncoderType) -> None:
    exact, reduced = make(encoder).eval(), make(encoder, precision=Precision.BF16).eval()
    losses = []
    for model in (exact, reduced):
        contrast = model(tokens(1), tokens(2))
        contrast.losses.total.backward()
        model.enqueue(contrast.keys)
        losses.append(contrast.losses)
        assert contrast.losses.total.dtype is torch.float32
        assert all(key.dtype is torch.float32 for key in contrast.keys.values())
    assert all(value.dtype in (torch.float32, torch.int64) for value in reduced.state_dict().values())
    for level in Level:
        torch.testing.assert_close(losses[1].levels[level], losses[0].levels[level], rtol=0.01, atol=0)
    ours, theirs = (
        torch.cat([parameter.grad.flatten() for parameter in model.query.parameters() if parameter.grad is not None])
        for model in (reduced, exact)
    )
    assert ours.dtype is torch.float32
    assert torch.cosine_similarity(ours, theirs, dim=0) > 0.99
