"""Float32 products of a training step's shapes: the kernels against MKL and oneDNN, in turns in one process.

    python benchmarks/products.py

GFLOP/s, medians of nine; before each the caches are written over. Needs a C compiler and AVX-512 or AVX2. A minute.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.ops.cpu import linear

# rows, terms of a sum, columns, and which of the two matrices lies transposed
SHAPES = [
    ("forwards, D 512", 7680, 512, 2048, "right"),
    ("gradient of the tokens, D 512", 7680, 2048, 512, ""),
    ("gradient of the weights, D 512", 2048, 7680, 512, "left"),
    ("Transformer, D 512", 7680, 512, 512, "right"),
    ("forwards, D 64", 7680, 64, 256, "right"),
    ("gradient of the weights, D 64", 256, 7680, 64, "left"),
]


def rate(made: Callable[[], object], operations: float, spoiled: torch.Tensor) -> float:
    taken = []
    for _ in range(9):
        spoiled.fill_(0)
        started = time.perf_counter()
        made()
        taken.append(time.perf_counter() - started)
    return operations / statistics.median(taken) / 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    spoiled = torch.empty(1 << 24)
    print(f"{'':<32} {'MKL':>6} {'oneDNN':>6} {'kernels':>7}  GFLOP/s, {torch.get_num_threads()} threads")
    for name, rows, deep, columns, turned in SHAPES:
        left = torch.randn(deep, rows).T if turned == "left" else torch.randn(rows, deep)
        right = torch.randn(columns, deep).T if turned == "right" else torch.randn(deep, columns)
        if not linear._packing_pays(left, right):
            print("no kernels that multiply: no C compiler, or another processor", file=sys.stderr)
            return 1
        ways: list[Callable[[], object]] = [lambda a=left, b=right: a @ b]
        ways.append(lambda a=left, b=right.T: linear._ONEDNN(a, b, None, "none", [], ""))
        ways.append(lambda a=left, b=right: linear.matmul(a, b))
        rates = [rate(way, 2.0 * rows * deep * columns, spoiled) for way in ways]
        print(f"{name:<32} {rates[0]:>6.0f} {rates[1]:>6.0f} {rates[2]:>7.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
