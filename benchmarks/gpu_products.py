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
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

LENGTHS, COUNT = (64, 32, 16, 8), 64


def milliseconds(work: Callable[[], object]) -> float:
    from triton.testing import do_bench

    return float(do_bench(work, warmup=5, rep=25, return_mode="median"))


def error(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact).norm() / exact.norm())


def products(rows: int) -> None:
    from hico_platform.gpu_kernels.products import halved, multiplied

    print("| product | cuBLAS, TFLOP/s | error | halves, TFLOP/s | error | ratio |\n|---|---|---|---|---|---|")
    for deep, wide in ((512, 512), (512, 1536), (512, 2048), (2048, 512)):
        tokens, weight = torch.randn(rows, deep, device="cuda"), 0.05 * torch.randn(wide, deep, device="cuda")
        given = 1e-5 * torch.randn(rows, wide, device="cuda")
        for name, left, right in (
            ("output", tokens, weight.T), ("gradient of the tokens", given, weight), ("of the weight", given.T, tokens)
        ):  # fmt: skip
            first = halved(left) if left.is_contiguous() else halved(left.T).T
            second = halved(right) if right.is_contiguous() else halved(right.T).T
            exact = left.double() @ right.double()
            plain = milliseconds(lambda one=left, other=right: one @ other)  # type: ignore[misc]
            ours = milliseconds(lambda one=first, other=second: multiplied(one, other))  # type: ignore[misc]
            rates = [2e-9 * rows * deep * wide / each for each in (plain, ours)]
            print(
                f"| {rows} x {deep} x {wide}, {name} | {rates[0]:.0f} | {error(left @ right, exact):.1e} "
                f"| {rates[1]:.0f} | {error(multiplied(first, second), exact):.1e} | {plain / ours:.2f} |"
            )
        print(f"| splitting {rows} x {deep} | | | {1e3 * milliseconds(lambda one=tokens: halved(one)):.0f} us | | |")  # type: ignore[misc]


def layers() -> None:
    from hico_platform.gpu_kernels import recurrence
    from hico_platform.model.precision import float32_products
    from hico_platform.vocabulary import Precision

    clusters = recurrence.layer
    print("\n| layer, D 512 | by | forwards, ms | and back |\n|---|---|---|---|")
    for cell, layer, gates in ((nn.LSTM, recurrence.Lstm, 4), (nn.GRU, recurrence.Gru, 3)):
        module = cell(512, 256, batch_first=True, bidirectional=True).cuda()
        weights = [weight for direction in module.all_weights for weight in direction]
        tokens = torch.randn(sum(LENGTHS), COUNT, 512, device="cuda", requires_grad=True)
        given = torch.randn_like(tokens)
        for products_of, precision in (("tf32x3", Precision.FLOAT32), ("tf32", Precision.TF32)):
            how = recurrence.How(
                lengths=LENGTHS, precision=torch.float32, products=products_of, gates=gates, wanted=True
            )

            def forwards(layer: type = layer, how: object = how) -> Tensor:
                return layer.apply(tokens, how, *weights)  # type: ignore[attr-defined, no-any-return]

            def both() -> object:
                return torch.autograd.grad(forwards(), [tokens, *weights], given)

            with float32_products(precision, torch.device("cuda")):
                for name, found in (("clusters", clusters), ("a program", lambda *_, **__: None)):
                    recurrence.layer = found
                    times = milliseconds(forwards), milliseconds(both)
                    print(f"| {cell.__name__}, {precision.value} | {name} | {times[0]:.2f} | {times[1]:.2f} |")
    recurrence.layer = clusters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=7680, help="tokens of a batch")
    arguments = parser.parse_args()
    if not torch.cuda.is_available() or torch.version.hip is not None:
        sys.exit("no NVIDIA GPU")
    print(f"{torch.cuda.get_device_name()}; torch {torch.__version__}")
    products(arguments.rows)
    layers()


if __name__ == "__main__":
    main()
