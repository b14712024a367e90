"""The kernels say what PyTorch's own operators say."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import pytest
import torch
from torch import Tensor, nn

from hico_platform.augment.frames import StoredPoses, crop_and_resize
from hico_platform.augment.spatial import SpatialAugmentation, draw_matrices
from hico_platform.augment.streams import spatial_tokens
from hico_platform.build import build_model
from hico_platform.data.layout import KINECT_V2
from hico_platform.enums import EncoderType
from hico_platform.errors import ConfigError
from hico_platform.model.downsampling import UnifiedDownsampling
from hico_platform.model.encoder import HierarchicalEncoder, Tokens
from hico_platform.ops.cpu import library
from hico_platform.ops.cpu.attention import Attention
from hico_platform.ops.cpu.dropout import Dropout, ReluDropout, draw
from hico_platform.ops.cpu.library import Kernels
from hico_platform.ops.cpu.norm import AddNorm
from hico_platform.ops.linear import linear
from hico_platform.train.loop import tokens
from tests.small import small_config

ENCODERS = list(EncoderType)


@pytest.fixture
def kernels() -> Kernels:
    found = library.kernels()
    if found is None:
        pytest.skip("no C compiler")
    return found


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Called with True, what follows is PyTorch's own."""
    found = library.kernels

    def switch(off: bool) -> None:
        monkeypatch.setattr(library, "kernels", (lambda: None) if off else found)

    return switch


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    assert ours.dtype is theirs.dtype
    ours, theirs = ours.detach(), theirs.detach()
    assert (ours.float() - theirs.float()).norm() <= tolerance * max(float(theirs.float().norm()), 1e-3)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def hierarchical(
    encoder: EncoderType, *, dropout: float = 0.0, layers: int = 2, width: int = 24
) -> HierarchicalEncoder:
    torch.manual_seed(0)
    model = HierarchicalEncoder(
        encoder=encoder, temporal_width=150, spatial_width=66, width=width, granularities=3, layers=layers, heads=2,
        dropout=dropout,
    )  # fmt: skip
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3 * (24 / width) ** 0.5)
    return model


@pytest.mark.slow
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(
    ("encoder", "width"),  # wide enough, the recurrent layers pack what they multiply
    [*((encoder, 24) for encoder in ENCODERS), (EncoderType.GRU, 160), (EncoderType.LSTM, 160)],
)
def test_features_and_gradients_are_those_of_pytorch(
    encoder: EncoderType, width: int, without: Callable[[bool], None]
) -> None:
    """Against float64. Where float32 rounds a maximum or a ReLU the other way, gradients differ: seldom, and little."""
    errors = []
    for seed in range(7):
        found: list[tuple[Tensor, ...]] = []
        for off, dtype in ((False, torch.float32), (True, torch.float64)):
            without(off)
            model = hierarchical(encoder, width=width).to(dtype)
            views = Tokens(*(each.to(dtype) for each in tokens(random(5, 22, 2, 25, 3, seed=seed))))
            features = model(views).instance()
            loss = (features * random(*features.shape, seed=1)).sum()
            found.append((features, *torch.autograd.grad(loss, list(model.parameters()))))
        close(found[0][0], found[1][0].float(), 2e-6)
        errors.append(max(float((ours - exact).norm() / exact.norm()) for ours, exact in zip(*found, strict=True)))
    assert median(errors) < 5e-6
    assert max(errors) < 1e-2


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_number_of_threads_changes_no_bit(encoder: EncoderType) -> None:
    model = hierarchical(encoder, dropout=0.2).train()
    views = tokens(random(7, 22, 2, 25, 3))
    before, found = torch.get_num_threads(), []
    downsample = UnifiedDownsampling(64)
    for parameter in downsample.parameters():
        nn.init.normal_(parameter)
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            torch.manual_seed(1)
            levels = random(9, 7, 64).requires_grad_()
            made, _ = downsample(levels, 2)
            gradients = torch.autograd.grad((made * made).sum(), [levels, *downsample.parameters()])
            found.append((made, *gradients, model(views).instance()))
    finally:
        torch.set_num_threads(before)
    for left, right in zip(*(each[:-1] for each in found), strict=True):
        assert torch.equal(left, right)
    close(found[0][-1], found[1][-1])  # matrix products may differ


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_is_not_a_number_stays_so(encoder: EncoderType) -> None:
    poses = random(4, 22, 2, 25, 3)
    poses[1] = float("nan")
    features = hierarchical(encoder)(tokens(poses)).instance()
    assert features[1].isnan().all()
    assert features[[0, 2, 3]].isfinite().all()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("encoder", [EncoderType.GRU, EncoderType.LSTM])
def test_differentiating_twice_is_refused(encoder: EncoderType) -> None:
    features = hierarchical(encoder)(tokens(random(3, 22, 2, 25, 3))).instance()
    features.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="differentiated twice"):
        features.sum().backward()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("encoder", ENCODERS)
def test_bf16_is_within_two_percent(encoder: EncoderType) -> None:
    model = hierarchical(encoder)
    views = tokens(random(6, 22, 2, 25, 3))
    exact = model(views).instance()
    parameters = list(model.parameters())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = model(views).instance()
    close(reduced.float(), exact, 0.02)
    weights = random(*exact.shape, seed=1)
    ours = torch.autograd.grad((reduced.float() * weights).sum(), parameters)
    theirs = torch.autograd.grad((exact * weights).sum(), parameters)
    left, right = (torch.cat([each.flatten() for each in found]) for found in (ours, theirs))
    assert float(nn.functional.cosine_similarity(left, right, dim=0)) > 0.99


@pytest.mark.usefixtures("kernels")
def test_the_first_of_equals_takes_the_gradient_of_a_pair(without: Callable[[bool], None]) -> None:
    module = UnifiedDownsampling(8)
    nn.init.normal_(module.convolution.weight)
    nn.init.zeros_(module.convolution.bias)
    found = []
    for off in (False, True):
        without(off)
        tokens = random(1, 3, 8).expand(8, 3, 8).clone().requires_grad_()  # the middle tokens are equal after mixing
        made, lengths = module(tokens, 3)
        assert lengths == (8, 4, 2)
        found.append((made, *torch.autograd.grad((made * random(*made.shape)).sum(), [tokens, *module.parameters()])))
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("granularities", [1, 2, 3])
@pytest.mark.parametrize("length", [9, 20])
def test_downsampling_of_tokens_by_sequence(length: int, granularities: int, without: Callable[[bool], None]) -> None:
    torch.manual_seed(0)
    module = UnifiedDownsampling(8)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    found = []
    for off in (False, True):
        without(off)
        tokens = random(3, length, 8).requires_grad_()
        made, lengths = module(tokens.transpose(0, 1), granularities)
        assert lengths == tuple(length >> granularity for granularity in range(granularities))
        wanted = [tokens, *module.parameters()] if granularities > 1 else [tokens]
        found.append((made, *torch.autograd.grad((made * random(*made.shape)).sum(), wanted)))
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)


def dropping(share: float, seed: int) -> Dropout:
    torch.manual_seed(seed)
    return draw(share)


def test_dropout_keeps_a_share_whatever_the_neighbours_or_the_seed(kernels: Kernels) -> None:
    masks = []
    for seed in range(4):
        ones = torch.ones(400, 1000)
        made = ReluDropout.apply(ones, dropping(0.3, seed))
        assert made.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
        masks.append((made > 0).double())
    for mask in masks:
        assert float(mask.mean()) == pytest.approx(0.7, abs=0.004)
        for other in (mask.roll(1, 1), mask.roll(1, 0), mask.roll(16, 1)):
            assert float((mask * other).mean()) == pytest.approx(0.49, abs=0.004)
        assert float(mask.mean(dim=0).std()) == pytest.approx((0.21 / 400) ** 0.5, rel=0.1)
    assert float((masks[0] * masks[1]).mean()) == pytest.approx(0.49, abs=0.004)


def test_nothing_is_dropped_outside_training_and_no_number_is_drawn() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert draw(0.0).threshold == 0
    assert draw(0.0).scale == 1.0
    assert torch.equal(torch.get_rng_state(), before)


def attended(qkv: Tensor, lengths: tuple[int, ...], heads: int, masks: list[Tensor] | None = None) -> Tensor:
    """As its definition says: softmax(q k / sqrt(size)) v of each head, after a mask (N, heads, L, L) a granularity."""
    made = []
    for index, part in enumerate(qkv.split(lengths)):
        query, key, value = part.unflatten(2, (3, heads, -1)).permute(2, 1, 3, 0, 4)
        weights = (query @ key.transpose(2, 3) / query.shape[3] ** 0.5).softmax(dim=3)
        weights = weights if masks is None else weights * masks[index]
        made.append((weights @ value).permute(2, 0, 1, 3).flatten(2))
    return torch.cat(made)


def with_gradient(made: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    weights = random(*made.shape, seed=1).to(made.dtype)
    return made.detach(), torch.autograd.grad((made * weights).sum(), given)[0]


@pytest.mark.parametrize("lengths", [(1,), (5, 2, 1), (17, 8), (64, 32, 16, 8), (70, 35)])
@pytest.mark.parametrize("size", [1, 6, 16, 40])
def test_attention_and_its_gradient(kernels: Kernels, lengths: tuple[int, ...], size: int) -> None:
    if not kernels.multiplies:
        pytest.skip("a processor whose registers the products do not know")
    for dtype, tolerance in ((torch.float32, 2e-6), (torch.bfloat16, 1e-2)):
        qkv = random(sum(lengths), 3, 3 * 2 * size).to(dtype).requires_grad_()
        ours = with_gradient(Attention.apply(qkv, lengths, 2, draw(0.0)), qkv)
        exact = qkv.detach().double().requires_grad_()
        for mine, wanted in zip(ours, with_gradient(attended(exact, lengths, 2), exact), strict=True):
            close(mine.float(), wanted.float(), tolerance)


def test_attention_drops_weights_and_their_gradients_alike(kernels: Kernels) -> None:
    if not kernels.multiplies:
        pytest.skip("a processor whose registers the products do not know")
    lengths, count, heads, size = (9, 4), 3, 2, 9
    qkv = random(sum(lengths), count, 3 * heads * size)
    seen = qkv.clone().unflatten(2, (3, heads, size))
    for first, length in ((0, 9), (9, 4)):  # values that show the weights themselves
        seen[first : first + length, :, 2] = torch.eye(size)[:length, None, None]
    shown = Attention.apply(seen.flatten(2), lengths, heads, dropping(0.25, 0))
    masks = [
        (part.unflatten(2, (heads, size)).permute(1, 2, 0, 3)[..., :length] > 0).double() / 0.75
        for part, length in zip(shown.split(lengths), lengths, strict=True)
    ]
    assert 0.1 < float(torch.cat([mask.flatten() for mask in masks]).eq(0).double().mean()) < 0.4
    assert not torch.equal(masks[0][0], masks[0][1])
    qkv.requires_grad_()
    exact = qkv.detach().double().requires_grad_()
    ours = with_gradient(Attention.apply(qkv, lengths, heads, dropping(0.25, 0)), qkv)
    for mine, wanted in zip(ours, with_gradient(attended(exact, lengths, heads, masks), exact), strict=True):
        close(mine, wanted.float())


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_added_and_normalised_with_its_gradients(kernels: Kernels, share: float) -> None:
    drop = dropping(share, 0) if share else draw(share)
    one, more = random(9, 4, 12).requires_grad_(), random(9, 4, 12, seed=1).requires_grad_()
    gamma, beta = random(12, seed=2).requires_grad_(), random(12, seed=3).requires_grad_()
    mask = ReluDropout.apply(torch.ones(9, 4, 12), drop)  # the same places under the same seed
    ours = AddNorm.apply(one, more * 1.0, gamma, beta, 1e-5, drop, False)
    theirs = nn.functional.layer_norm(one + more * mask, (12,), gamma, beta)
    close(ours, theirs)
    weights = random(9, 4, 12, seed=4)
    gradients = [torch.autograd.grad((each * weights).sum(), [one, more, gamma, beta]) for each in (ours, theirs)]
    for left, right in zip(*gradients, strict=True):
        close(left, right)


@pytest.mark.parametrize("exact", [False, True])
def test_what_is_added_in_bf16_is_normalised_to_either_type(kernels: Kernels, exact: bool) -> None:
    drop = draw(0.0)
    one, more = (random(9, 4, 12, seed=seed).bfloat16().requires_grad_() for seed in (0, 1))
    gamma, beta = random(12, seed=2).requires_grad_(), random(12, seed=3).requires_grad_()
    ours = AddNorm.apply(one, more * 1.0, gamma, beta, 1e-5, drop, exact)
    assert ours.dtype is (torch.float32 if exact else torch.bfloat16)
    both = (one + more).detach().float().requires_grad_()
    theirs = nn.functional.layer_norm(both, (12,), gamma, beta)
    close(ours.float(), theirs, 1e-6 if exact else 4e-3)
    weights = random(9, 4, 12, seed=4)
    found = torch.autograd.grad((ours.float() * weights).sum(), [one, more, gamma, beta])
    expected = torch.autograd.grad((theirs * weights).sum(), [both, gamma, beta])
    for left, right in zip(found, (expected[0], *expected), strict=True):
        close(left.float(), right, 4e-3)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("joints", "coordinates"), [(25, 3), (4, 2), (1, 1)])
@pytest.mark.parametrize("augmented", [False, True])
def test_views_are_those_of_pytorch(
    joints: int, coordinates: int, augmented: bool, without: Callable[[bool], None]
) -> None:
    num_frames, num_bodies = torch.tensor([9, 40, 1]), torch.tensor([1, 2, 2])
    sizes = num_frames * num_bodies * joints * coordinates
    poses = StoredPoses(
        values=random(int(sizes.sum())), offsets=sizes.cumsum(0) - sizes, num_frames=num_frames,
        num_bodies=num_bodies, joints=joints, coordinates=coordinates,
    )  # fmt: skip
    start, length = torch.tensor([2, 0, 0]), torch.tensor([7, 33, 1])
    generator = torch.Generator().manual_seed(0)
    matrices = draw_matrices(
        3, joints=joints, coordinates=coordinates, augmentation=SpatialAugmentation(), generator=generator
    )
    found = []
    for off in (False, True):
        without(off)
        found.append(crop_and_resize(poses, start, length, frames=16, matrices=matrices if augmented else None))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)
    assert not found[0][0, :, 1].any()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("coordinates", [2, 3])
def test_spatial_tokens_are_those_of_pytorch(coordinates: int, without: Callable[[bool], None]) -> None:
    poses = random(3, 7, 2, 5, coordinates).flip(1)
    found = []
    for off in (False, True):
        without(off)
        found.append(spatial_tokens(poses))
    assert torch.equal(*found)
    assert torch.equal(found[0][1, 5 + 3], poses[1, :, 1, 3].flatten())


@pytest.mark.parametrize("biased", [False, True])
def test_products_of_large_weights_and_their_gradients(biased: bool) -> None:
    tokens, weight = random(3, 5, 256).requires_grad_(), random(512, 256, seed=1).requires_grad_()
    bias = random(512, seed=2).requires_grad_() if biased else None
    wanted = [each for each in (tokens, weight, bias) if each is not None]
    found = []
    for multiply in (linear, nn.functional.linear):
        made = multiply(tokens, weight, bias)
        found.append((made, *torch.autograd.grad(made.square().sum(), wanted)))
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)


def test_the_model_of_a_configuration_takes_its_dropout(kernels: Kernels) -> None:
    config = small_config(model__encoder="transformer", model__dropout=0.3, model__heads=2)
    model = build_model(config, layout=KINECT_V2, device=torch.device("cpu"))
    drops = {module.dropout for module in model.modules() if isinstance(getattr(module, "dropout", None), float)}
    assert 0.3 in drops


def test_more_granularities_than_tokens_can_be_halved_are_refused() -> None:
    config = small_config(views__frames=8, views__min_crop_frames=8, model__granularities=5)
    with pytest.raises(ConfigError, match="at most 4: 8 tokens"):
        build_model(config, layout=KINECT_V2, device=torch.device("cpu"))
