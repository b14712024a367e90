"""Float32 products and recurrent layers on a GPU: two float16 a number against cuBLAS, clusters against one program.

    python benchmarks/gpu_products.py [--rows 7680]

Sizes are those of a step at the released settings. Rates are of 2 M K N operations; errors are in norm against float64.
Operands of halves are split before, and what that takes is printed too. Times are medians of repeated runs in turns on
the same GPU, which must be an A100 or newer; clusters need an H100.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

GPU = torch.device("cuda")
LENGTHS, COUNT = (64, 32, 16, 8), 64


def milliseconds(work: Callable[[], object]) -> float:
    from triton.testing import do_bench

    return float(do_bench(work, warmup=5, rep=25, return_mode="median"))


def error(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact).norm() / exact.norm())


def products(rows: int) -> None:
    from hico_platform.ops.cuda.products import halved, multiplied

    print("| product | cuBLAS, TFLOP/s | error | halves, TFLOP/s | error | ratio |\n|---|---|---|---|---|---|")
    for deep, wide in ((512, 512), (512, 1536), (512, 2048), (2048, 512)):
        tokens, weight = torch.randn(rows, deep, device=GPU), 0.05 * torch.randn(wide, deep, device=GPU)
        given = 1e-5 * torch.randn(rows, wide, device=GPU)
        of_tokens, of_weight, of_given = map(halved, (tokens, weight, given))
        for name, left, right, first, second in (
            ("output", tokens, weight.T, of_tokens, of_weight.T),
            ("gradient of the tokens", given, weight, of_given, of_weight),
            ("gradient of the weight", given.T, tokens, of_given.T, of_tokens),
        ):
            exact = left.double() @ right.double()
            plain, ours = partial(torch.matmul, left, right), partial(multiplied, first, second)
            times = milliseconds(plain), milliseconds(ours)
            rates = [2e-9 * rows * deep * wide / each for each in times]
            print(
                f"| {rows} x {deep} x {wide}, {name} | {rates[0]:.0f} | {error(plain(), exact):.1e} "
                f"| {rates[1]:.0f} | {error(ours(), exact):.1e} | {times[0] / times[1]:.2f} |"
            )
        print(f"| splitting {rows} x {deep} | | | {1e3 * milliseconds(partial(halved, tokens)):.0f} us | | |")


def layers(width: int) -> None:
    """Of ``width`` units a direction."""
    from hico_platform.enums import Precision
    from hico_platform.ops.cuda import clusters, recurrence
    from hico_platform.ops.precision import float32_products

    kernels: Any = recurrence
    print("\n| layer | by | forwards, ms | and back |\n|---|---|---|---|")
    for (cell, layer, gates), precision in product(
        ((nn.LSTM, recurrence.Lstm, 4), (nn.GRU, recurrence.Gru, 3)), (Precision.FLOAT32, Precision.TF32)
    ):
        products_of = "tf32x3" if precision is Precision.FLOAT32 else "tf32"
        how = recurrence.How(lengths=LENGTHS, precision=torch.float32, products=products_of, gates=gates, wanted=True)
        module = cell(2 * width, width, batch_first=True, bidirectional=True).to(GPU)
        weights = [weight for direction in module.all_weights for weight in direction]
        tokens = torch.randn(sum(LENGTHS), COUNT, 2 * width, device=GPU, requires_grad=True)
        forwards = partial(layer.apply, tokens, how, *weights)
        both = partial(_there_and_back, forwards, [tokens, *weights], torch.randn_like(tokens))
        with float32_products(precision, GPU):
            if clusters.layer(width, gates, terms=3) is None:
                print(f"| {cell.__name__}, {precision.value} | clusters | none here | |")
            for name, found in (("clusters", clusters.layer), ("a program", lambda *_, **__: None)):
                kernels.layer = found
                times = milliseconds(forwards), milliseconds(both)
                print(f"| {cell.__name__}, {precision.value} | {name} | {times[0]:.2f} | {times[1]:.2f} |")
    kernels.layer = clusters.layer


def _there_and_back(forwards: Callable[[], Tensor], inputs: list[Tensor], given: Tensor) -> object:
    return torch.autograd.grad(forwards(), inputs, given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=7680, help="tokens of a batch")
    arguments = parser.parse_args()
    if not torch.cuda.is_available() or torch.version.hip is not None:
        sys.exit("no NVIDIA GPU")
    print(f"{torch.cuda.get_device_name()}; torch {torch.__version__}")
    products(arguments.rows)
    layers(256)


if __name__ == "__main__":
    main()
