"""Each GPU kernel and its gradient against PyTorch's operators in float64.

On a GPU; without one, where Triton is installed, small shapes in its interpreter (conftest.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from hico_platform.enums import Precision
from hico_platform.model.downsampling import UnifiedDownsampling
from hico_platform.ops.info_nce import contrast_logits, loss_of_logits
from hico_platform.ops.precision import float32_products

INTERPRETED = not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") == "1"
GPU = torch.device("cpu" if INTERPRETED else "cuda")
ROWS = 2 if INTERPRETED else 37
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        find_spec("triton") is None,
        reason="no Triton, which requirements/dev.lock has for Linux on x86_64",
    ),
    pytest.mark.skipif(not INTERPRETED and not torch.cuda.is_available(), reason="no CUDA device"),
]


def sizes(full: list[Any], small: list[Any]) -> list[Any]:
    """What is tested on a GPU; in the interpreter a program takes milliseconds, so it has little to do."""
    return small if INTERPRETED else full


multiplies_bf16 = pytest.mark.skipif(INTERPRETED, reason="Triton's interpreter cannot multiply bfloat16")


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    if INTERPRETED:
        from hico_platform.ops.cuda import attention, rnn

        for module in (attention, rnn):
            monkeypatch.setattr(module, "shared_memory", lambda: 232448)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """In norm, against float64."""
    assert found.shape == expected.shape
    assert bool(found.isfinite().all())
    apart = (found.double() - expected).norm().item()
    assert apart <= tolerance * max(expected.norm().item(), 1e-3), apart


def same(
    found: Tensor, expected: Tensor, inputs: Sequence[Tensor], exact: Sequence[Tensor], tolerance: float = 1e-5
) -> None:
    close(found, expected, tolerance)
    given = torch.randn_like(found)
    mine = torch.autograd.grad(found, inputs, given)
    theirs = torch.autograd.grad(expected, exact, given.double())
    for one, other in zip(mine, theirs, strict=True):
        close(one, other, tolerance)


def drawn(*shape: int) -> tuple[Tensor, Tensor]:
    """A leaf in float32, and the same in float64."""
    values = torch.randn(shape, device=GPU)
    return values.requires_grad_(), values.detach().double().requires_grad_()


@pytest.mark.parametrize("width", sizes([20, 64, 512, 1000], [20]))
def test_add_norm(width: int) -> None:
    from hico_platform.ops.cuda.dropout import DropoutDraw
    from hico_platform.ops.cuda.norm import AddNorm

    inputs, exact = zip(drawn(ROWS, 3, width), drawn(ROWS, 3, width), drawn(width), drawn(width), strict=True)
    drop = DropoutDraw(0.0, training=True, device=GPU)
    found = AddNorm.apply(*inputs, 1e-5, drop, True)
    same(found, layer_norm(exact[0] + exact[1], (width,), *exact[2:]), inputs, exact)


@pytest.mark.slow
@pytest.mark.parametrize("exact_output", [True, False])
def test_norms_in_bf16(exact_output: bool) -> None:
    from hico_platform.ops.cuda.dropout import DropoutDraw
    from hico_platform.ops.cuda.norm import AddNorm, NormRelu

    first, second = (torch.randn(7, 5, 64, device=GPU).bfloat16().requires_grad_() for _ in range(2))
    gamma, beta = drawn(64)[0], drawn(64)[0]
    exact = [each.detach().double().requires_grad_() for each in (first, second, gamma, beta)]
    drop = DropoutDraw(0.0, training=True, device=GPU)
    found = AddNorm.apply(first, second, gamma, beta, 1e-5, drop, exact_output)
    assert found.dtype is (torch.float32 if exact_output else torch.bfloat16)
    expected = layer_norm(exact[0] + exact[1], (64,), *exact[2:])
    same(found, expected, [first, second, gamma, beta], exact, 1e-2)
    bent = NormRelu.apply(first, gamma, beta, 1e-5)
    assert bent.dtype is torch.bfloat16
    expected = layer_norm(exact[0], (64,), *exact[2:]).relu().transpose(0, 1)
    same(bent, expected, [first, gamma, beta], [exact[0], *exact[2:]], 1e-2)


@pytest.mark.slow
def test_dropout_keeps_its_share_draws_anew_and_goes_the_same_way_back() -> None:
    from hico_platform.ops.cuda.dropout import DropoutDraw, ReluDropout
    from hico_platform.ops.cuda.norm import AddNorm

    shape = (5 if INTERPRETED else 100, 20, 64)
    drops = [DropoutDraw(0.3, training=True, device=GPU) for _ in range(2)]
    ones = torch.ones(*shape, device=GPU)
    masks = [ReluDropout.apply(ones, drop) for drop in drops]
    for mask in masks:
        assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
        assert (mask != 0).float().mean().item() == pytest.approx(0.7, abs=0.02 if INTERPRETED else 0.01)
    assert not torch.equal(*masks)
    inputs, exact = zip(drawn(*shape), drawn(*shape), drawn(64), drawn(64), strict=True)
    found = AddNorm.apply(*inputs, 1e-5, drops[0], True)
    same(found, layer_norm(exact[0] + exact[1] * masks[0], (64,), *exact[2:]), inputs, exact)
    hidden, other = drawn(*shape)
    same(ReluDropout.apply(hidden, drops[1]), other.relu() * masks[1], [hidden], [other])
    assert torch.equal(ReluDropout.apply(ones, DropoutDraw(0.3, training=False, device=GPU)), ones)


@pytest.mark.parametrize("width", sizes([20, 512], [20]))
def test_norm_relu_turns_its_rows(width: int) -> None:
    from hico_platform.ops.cuda.norm import NormRelu

    inputs, exact = zip(
        drawn(2 if INTERPRETED else 7, 13 if not INTERPRETED else 3, width), drawn(width), drawn(width), strict=True
    )
    expected = layer_norm(exact[0], (width,), *exact[1:]).relu().transpose(0, 1)
    same(NormRelu.apply(*inputs, 1e-5), expected, inputs, exact)


@pytest.mark.parametrize(
    ("length", "granularities"), sizes([(9, 3), (64, 4), (50, 4), (7, 1), (2, 2)], [(9, 3), (2, 2), (3, 1)])
)
@pytest.mark.parametrize("width", sizes([20, 512], [20]))
def test_downsampling(length: int, granularities: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from hico_platform.ops.cuda.downsample import Downsample

    module = UnifiedDownsampling(width).to(GPU)
    parameters = list(module.parameters())
    for parameter in parameters:
        nn.init.normal_(parameter)
    tokens, other = drawn(length, 2 if INTERPRETED else 5, width)
    twin = UnifiedDownsampling(width).to(GPU).double()
    twin.load_state_dict(module.state_dict())
    monkeypatch.setenv("HICO_KERNELS", "off")
    expected, lengths = twin(other, granularities)
    taps = module.convolution.weight[:, 0].T.contiguous()
    weights = taps, module.convolution.bias, module.norm.weight, module.norm.bias
    found = Downsample.apply(tokens, *weights, module.norm.eps, lengths)
    used = parameters if granularities > 1 else []
    same(found, expected, [tokens, *used], [other, *(list(twin.parameters()) if used else [])])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_token_maximum_shares_its_gradient_among_equals_and_keeps_a_nan(dtype: torch.dtype) -> None:
    from hico_platform.ops.cuda.token_max import TokenMaximum

    lengths = (9, 4, 1)
    tokens = torch.randn(14, 3, 20 if INTERPRETED else 200, device=GPU).mul(2).round().to(dtype).requires_grad_()
    exact = tokens.detach().double().requires_grad_()
    expected = torch.stack([part.amax(dim=0) for part in exact.split(lengths)], dim=1)
    same(TokenMaximum.apply(tokens, lengths), expected, [tokens], [exact], 1e-5 if dtype is torch.float32 else 1e-2)
    with torch.no_grad():
        tokens[3, 2, 7] = torch.nan
        assert TokenMaximum.apply(tokens, lengths).isnan().nonzero().tolist() == [[2, 0, 7]]


@pytest.mark.parametrize(
    ("count", "granularities", "width"), sizes([(64, 1, 128), (64, 4, 128), (1, 3, 20)], [(2, 3, 20)])
)
@pytest.mark.parametrize("keys", sizes([12, 2048, 8192], [12, 2100]))
def test_info_nce(count: int, granularities: int, width: int, keys: int) -> None:
    from hico_platform.ops.cuda.info_nce import InfoNce

    anchor, exact = drawn(count, width)
    positives, queue = torch.randn(count, granularities, width, device=GPU), torch.randn(keys, width, device=GPU)
    expected = loss_of_logits(contrast_logits(exact, positives.double(), queue.double(), temperature=0.2))
    same(InfoNce.apply(anchor, positives, queue, 0.2), expected, [anchor], [exact])


@pytest.mark.parametrize(
    ("width", "count", "lengths"),
    sizes(
        [(256, 64, (64, 32, 16, 8)), (32, 64, (50, 25, 12, 6)), (20, 5, (6, 3, 1)), (512, 3, (4,)), (8, 1, (3, 1))],
        [(20, 2, (3, 1))],
    ),
)
@pytest.mark.parametrize(
    ("dtype", "products", "tolerance"),
    [
        (torch.float32, "tf32x3", 1e-5),
        (torch.float32, "tf32", 3e-3),
        pytest.param(torch.bfloat16, "tf32", 2e-2, marks=multiplies_bf16),
    ],
)
@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_recurrence(
    cell: type[nn.RNNBase],
    dtype: torch.dtype,
    products: str,
    tolerance: float,
    width: int,
    count: int,
    lengths: tuple[int, ...],
) -> None:
    from hico_platform.ops.cuda.rnn import Gru, LayerOptions, Lstm, fits

    gates = 4 if cell is nn.LSTM else 3
    if not fits(width, gates, dtype, products=products):
        pytest.skip(f"{width} units do not fit in this GPU's shared memory")
    module = cell(2 * width, width, batch_first=True, bidirectional=True).to(GPU)
    weights = [weight for direction in module.all_weights for weight in direction]
    twin = cell(2 * width, width, batch_first=True, bidirectional=True).double()  # on the CPU
    twin.load_state_dict(module.state_dict())
    exact = [weight for direction in twin.all_weights for weight in direction]
    tokens = torch.randn(sum(lengths), count, 2 * width, device=GPU, requires_grad=True)
    other = tokens.detach().double().cpu().requires_grad_()
    layer = Lstm if cell is nn.LSTM else Gru
    options = LayerOptions(lengths=lengths, precision=dtype, products=products, gates=gates, needs_grad=True)
    with float32_products(Precision.FLOAT32 if products == "tf32x3" else Precision.TF32, GPU):
        found = layer.apply(tokens, options, *weights)
        assert found.dtype is torch.float32
        with torch.no_grad():
            assert torch.equal(layer.apply(tokens, options._replace(needs_grad=False), *weights), found)
        given = torch.randn_like(found)
        mine = torch.autograd.grad(found, [tokens, *weights], given)
    expected = torch.cat([twin(part.transpose(0, 1))[0].transpose(0, 1) for part in other.split(lengths)])
    theirs = torch.autograd.grad(expected, [other, *exact], given.double().cpu())
    close(found.cpu(), expected, tolerance)
    for one, also in zip(mine, theirs, strict=True):
        close(one.cpu(), also, tolerance)


@pytest.mark.parametrize(
    "shape", sizes([(1, 7), (3, 5), (528, 2, 20), (8, 70, 33), (200, 7)], [(1, 7), (3, 5), (200, 7)])
)
def test_sums_of_parts(shape: tuple[int, ...]) -> None:
    from hico_platform.ops.cuda.reduce import added_up

    parts = torch.randn(shape, device=GPU)
    close(added_up(parts), parts.double().sum(dim=0), 1e-6)


@pytest.mark.parametrize(
    ("heads", "size", "lengths"),
    sizes([(4, 128, (64, 32, 16, 8)), (3, 20, (50, 25, 1)), (2, 96, (64,))], [(2, 20, (34, 17, 1))]),
)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 3e-6), pytest.param(torch.bfloat16, 2e-2, marks=multiplies_bf16)]
)
def test_attention(heads: int, size: int, lengths: tuple[int, ...], dtype: torch.dtype, tolerance: float) -> None:
    from hico_platform.ops.cuda.attention import Attention, fits
    from hico_platform.ops.cuda.dropout import DropoutDraw

    if not fits(lengths, dtype):
        pytest.skip("so many tokens do not fit in this GPU's shared memory")
    qkv = torch.randn(sum(lengths), 1 if INTERPRETED else 5, 3 * heads * size, device=GPU).to(dtype).requires_grad_()
    exact = qkv.detach().double().requires_grad_()
    expected = attended(exact, lengths, heads)
    drop = DropoutDraw(0.0, training=True, device=GPU)
    same(Attention.apply(qkv, lengths, heads, drop, False), expected, [qkv], [exact], tolerance)


def attended(qkv: Tensor, lengths: tuple[int, ...], heads: int, kept: Tensor | None = None) -> Tensor:
    made = []
    for part in qkv.split(lengths):
        query, key, value = part.unflatten(2, (3, heads, -1)).permute(2, 1, 3, 0, 4)
        weights = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(dim=3)
        made.append(((weights if kept is None else weights * kept) @ value).permute(2, 0, 1, 3).flatten(2))
    return torch.cat(made)


@pytest.mark.slow
@pytest.mark.parametrize("length", sizes([12, 32, 40], [12, 40]))
def test_attention_drops_weights_the_same_way_forwards_and_back(length: int) -> None:
    from hico_platform.ops.cuda.attention import Attention
    from hico_platform.ops.cuda.dropout import DropoutDraw

    drop, heads = DropoutDraw(0.3, training=True, device=GPU), 2
    # With equal scores and values that are unit vectors, what comes out is the mask.
    qkv = torch.zeros(length, 3, 3, heads, length, device=GPU)
    qkv[:, :, 2] = torch.eye(length, device=GPU)[:, None, None]
    mask = Attention.apply(qkv.flatten(2), (length,), heads, drop, False).unflatten(2, (heads, length)) * length
    assert (mask != 0).float().mean().item() == pytest.approx(0.7, abs=0.03 if length > 16 else 0.08)
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    inputs, exact = drawn(length, 3, 3 * heads * length)
    expected = attended(exact, (length,), heads, mask.permute(1, 2, 0, 3).double())
    same(Attention.apply(inputs, (length,), heads, drop, False), expected, [inputs], [exact], 1e-5)
