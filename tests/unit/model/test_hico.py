from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from hico_platform.enums import EncoderType, Level, Precision, QueueWrap, Representation
from hico_platform.model.encoder import Tokens
from hico_platform.model.hico import HiCo
from hico_platform.model.projector import unit_vectors
from hico_platform.model.queue import KeyQueue
from hico_platform.ops.info_nce import Logits, loss_of_logits


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


@pytest.mark.parametrize("encoder", EncoderType)
@pytest.mark.parametrize("granularities", [1, 2, 4])
def test_shapes_of_features_and_projections(encoder: EncoderType, granularities: int) -> None:
    model = make(encoder, granularities=granularities)
    features = model.query.encoder(tokens(1))
    assert features.temporal.shape == features.spatial.shape == (5, granularities, 16)
    assert features.instance().shape == (5, 2 * granularities * 16) == (5, model.query.encoder.feature_width)
    for name, projection in model.query(tokens(1)).items():
        at_each_granularity = name in (Representation.CLIP, Representation.PART)
        assert projection.shape == ((5, granularities, 8) if at_each_granularity else (5, 8))
        torch.testing.assert_close(projection.norm(dim=-1), torch.ones(projection.shape[:-1]))


def test_unit_vectors_are_each_projection_over_its_length() -> None:
    generator = torch.Generator().manual_seed(0)
    projections = {name: torch.randn(3, 4, 6, generator=generator) for name in Representation}
    projections[Representation.CLIP] = projections[Representation.CLIP][:, :1].bfloat16()
    for name, found in unit_vectors(projections).items():
        assert found.dtype is torch.float32
        torch.testing.assert_close(found, normalize(projections[name].float(), dim=-1))


def test_a_query_is_projected_at_the_granularity_that_is_contrasted_alone() -> None:
    model = make()
    whole, anchors = model.query(tokens(1)), model.query(tokens(1), anchors=True)
    for name, projection in anchors.items():
        expected = whole[name][:, :1] if name in (Representation.CLIP, Representation.PART) else whole[name]
        torch.testing.assert_close(projection, expected)


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


def test_total_is_the_weighted_sum_of_the_levels() -> None:
    weights = {Level.CLIP: 0.5, Level.PART: 0.0, Level.DOMAIN: 2.0, Level.INSTANCE: 1.5}
    losses = make(weights=weights)(tokens(1), tokens(2)).losses
    expected = sum(weights[level] * losses.levels[level] for level in Level)
    torch.testing.assert_close(losses.total, torch.as_tensor(expected))


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


def test_queue_sizes_and_wraps() -> None:
    full, released = make(), make(queue_wrap=QueueWrap.RELEASED)
    for model in (full, released):
        assert len(model.queue(Representation.CLIP).keys) == 4 * 12
        assert len(model.queue(Representation.INSTANCE).keys) == 12
    assert full.queue(Representation.CLIP).wrap_at == 4 * 12
    assert released.queue(Representation.CLIP).wrap_at == 12


def test_released_wrap_leaves_most_of_the_clip_queue_random() -> None:
    model = make(queue_wrap=QueueWrap.RELEASED)
    queue = model.queue(Representation.CLIP)
    start = queue.keys.clone()
    for _ in range(50):
        queue.push(torch.zeros(4 * 3, 8))
    assert torch.equal(queue.keys[12:], start[12:])
    assert not queue.keys[:12].any()


def numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count, dtype=torch.float32)[:, None]


def test_queue_replaces_the_oldest_and_wraps_without_dropping_keys() -> None:
    queue = KeyQueue(size=5, width=1, wrap_at=5)
    queue.push(numbered(1, 3))
    queue.push(numbered(4, 4))
    assert queue.keys.flatten().tolist() == [6, 7, 3, 4, 5]
    assert int(queue.pointer) == 2


def test_queue_keeps_the_last_keys_of_a_batch_larger_than_itself() -> None:
    queue = KeyQueue(size=3, width=1, wrap_at=3)
    queue.push(numbered(1, 7))
    assert sorted(queue.keys.flatten().tolist()) == [5, 6, 7]


def test_queue_size_need_not_be_a_multiple_of_the_batch() -> None:
    model = make()
    for seed in range(4):
        contrast = model(tokens(seed), tokens(seed + 9))
        contrast.losses.total.backward()
        model.enqueue(contrast.keys)
    assert int(model.queue(Representation.INSTANCE).pointer) == 20 % 12
    assert int(model.queue(Representation.CLIP).pointer) == 80 % 48


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
