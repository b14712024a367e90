"""Products by the compiled kernel, and the gradients of recurrent weights, say what PyTorch says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hico_platform.ops.cpu import library
from hico_platform.ops.cpu.library import Kernels
from hico_platform.ops.cpu.linear import add_matmul_, column_sums, matmul
from hico_platform.ops.granularities import packing

SHAPES = [
    (1, 1, 1), (1, 70, 3), (5, 3, 33), (14, 16, 32), (15, 17, 31), (29, 513, 65), (64, 128, 300), (113, 1100, 64),
    (300, 40, 7), (700, 150, 96), (257, 1024, 129),
    (512, 512, 256), (558, 1502, 320), (513, 512, 257),
]  # fmt: skip


@pytest.fixture
def kernels() -> Kernels:
    found = library.kernels()
    if found is None or not found.multiplies:
        pytest.skip("no C compiler, or a processor whose registers the products do not know")
    return found


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def close(ours: Tensor, exact: Tensor) -> None:
    assert float((ours.double() - exact).norm() / exact.norm()) < 1e-6


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("turned", ["neither", "left", "right", "both", "every second"])
@pytest.mark.usefixtures("threads")
def test_a_product_of_any_shape_and_layout(kernels: Kernels, shape: tuple[int, int, int], turned: str) -> None:
    rows, deep, columns = shape
    left, right = random(rows, deep), random(deep, columns, seed=1)
    if turned in ("left", "both"):
        left = random(deep, rows).T
    if turned in ("right", "both"):
        right = random(columns, deep, seed=1).T
    if turned == "every second":
        left, right = random(rows, 2 * deep)[:, ::2], random(deep, 2 * columns, seed=1)[:, ::2]
    bias, there = random(columns, seed=2), random(rows, columns, seed=3)
    exact = left.double() @ right.double()

    def made(given: Tensor | None, *, add: bool) -> Tensor:
        framed = torch.full((rows + 2, columns + 40), 7.0)  # what lies around the output stays as it was
        out = framed[1:-1, 20:-20]
        out.copy_(there)
        sizes = rows, columns, deep
        strides = *left.stride(), right, *right.stride()
        kernels.call("matmul", *sizes, left, *strides, given, out, framed.stride(0), int(add))
        inside = out.clone()
        out.fill_(7.0)
        assert (framed == 7.0).all()
        return inside

    close(made(None, add=False), exact)
    close(made(bias, add=False), exact + bias)
    close(made(None, add=True), exact + there)


@pytest.mark.parametrize("shape", [(300, 1500, 90), (770, 1500, 384)])
@pytest.mark.parametrize("turned", [False, True])
def test_the_number_of_threads_changes_no_bit_of_a_product(
    kernels: Kernels, shape: tuple[int, int, int], turned: bool
) -> None:
    rows, deep, columns = shape
    left = random(deep, rows).T if turned else random(rows, deep)
    right = random(deep, columns, seed=1)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 7):
            torch.set_num_threads(threads)
            found.append(matmul(left, right))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0], each) for each in found[1:])


def test_what_is_not_a_number_stays_in_its_row_and_column(kernels: Kernels) -> None:
    left, right = random(300, 40), random(40, 70, seed=1)
    left[17, 3] = float("nan")
    right[5, 69] = float("inf")
    made = matmul(left, right)
    assert made[17].isnan().all()
    assert not made[torch.arange(300) != 17, :69].isnan().any()
    assert made[:, 69].isfinite().sum() == 0


def test_a_dead_units_weights_have_no_gradient(kernels: Kernels) -> None:
    given, tokens = random(1024, 512), random(1024, 512, seed=1)
    given[:, 100] = 0.0
    gradient = matmul(given.T, tokens)
    assert not gradient[100].any()
    assert gradient[356].all()


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.bfloat16, 2e-2), (torch.float32, 1e-5)]
)
def test_few_rows_and_other_types_are_left_to_pytorch(dtype: torch.dtype, tolerance: float) -> None:
    left, right, bias = random(3, 50).to(dtype), random(50, 4, seed=1).to(dtype), random(4, seed=3).to(dtype)
    assert torch.allclose(matmul(left, right, bias=bias), left @ right + bias, rtol=tolerance, atol=tolerance)
    out = random(3, 4, seed=2)
    wanted = out + (left @ right).float()
    add_matmul_(out, left, right)
    assert torch.allclose(out, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 17, 70])
@pytest.mark.parametrize(("depth", "width"), [(24, 12), (64, 32), (33, 70), (320, 256)])
@pytest.mark.usefixtures("threads")
def test_gradients_of_recurrent_weights(kernels: Kernels, depth: int, width: int, count: int) -> None:
    lengths = 22, 11, 5, 2
    packed, places, wide = packing(lengths, torch.device("cpu")), sum(lengths), 4 * width
    moved, tokens = random(places, count, 2, wide), random(places, count, depth, seed=1)
    states = random(places, count, 2, width, seed=2)
    before = torch.zeros_like(states)
    for part in (slice(first, last) for first, last in packed.spans):
        before[part, :, 0][1:] = states[part, :, 0][:-1]
        before[part, :, 1][:-1] = states[part, :, 1][1:]
    of_input, of_state = torch.full((2, wide, depth), 9.0), torch.full((2, wide, width), 9.0)
    of_bias = torch.zeros(2, wide)
    kernels.call(
        "rnn_weight_grad", places, count, wide, depth, width, packed.before, moved, tokens, states,
        of_input, of_state, of_bias,
    )  # fmt: skip
    exact = moved.double()
    close(of_input, torch.einsum("pndg,pnk->dgk", exact, tokens.double()))
    close(of_state, torch.einsum("pndg,pndk->dgk", exact, before.double()))
    close(of_bias, exact.sum(dim=(0, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["-march=x86-64-v3"], ["-march=x86-64"]], ids=["256 bits", "none"])
def test_narrower_registers(kernels: Kernels, flags: list[str], tmp_path: Path) -> None:
    import ctypes

    compiler = library._compiler()
    assert compiler is not None
    built = tmp_path / "kernels.so"
    kept = ["-O1", *(flag for flag in library._FLAGS if not flag.startswith(("-march", "-O")))]  # -O3 takes 10 s
    source = str(Path(library.__file__).parent / "kernels.c")
    subprocess.run([compiler, *kept, *flags, "-fopenmp", source, "-o", str(built), "-lm"], check=True)
    narrow = Kernels(ctypes.CDLL(str(built)))
    if flags == ["-march=x86-64"]:
        assert not narrow.multiplies
        return
    for rows, deep, columns in SHAPES:
        left, right = random(rows, deep), random(columns, deep, seed=1).T
        out = torch.empty(rows, columns)
        strides = *left.stride(), right, *right.stride()
        narrow.call("matmul", rows, columns, deep, left, *strides, None, out, columns, 0)
        close(out, left.double() @ right.double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 1), (129, 257), (1000, 70), (3, 1024)])
def test_sums_of_columns(kernels: Kernels, dtype: torch.dtype, shape: tuple[int, int]) -> None:
    rows = random(*shape).to(dtype)
    sums = column_sums(rows)
    assert sums.dtype is torch.float32
    assert torch.allclose(sums.double(), rows.double().sum(dim=0), rtol=1e-5, atol=1e-4)


def test_sums_of_columns_keep_float64() -> None:
    rows = random(50, 4).double()
    assert torch.equal(column_sums(rows), rows.sum(dim=0))
