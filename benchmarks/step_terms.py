"""Where the time of a training step goes: each kernel, each product by its size, and all else.

    python benchmarks/step_terms.py [--encoder lstm] [--width 64] [--precision float32] [--steps 40]

Every kernel's call is timed from outside; what PyTorch's operators, Python and autograd take between them is "all
else", in bfloat16 with the products that oneDNN makes. Prints milliseconds a step, the median of the steps. Sizes are
those of step.py.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.step import batches, computes_bf16, our_step
from hico_platform.ops.cpu import library


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", choices=["gru", "lstm", "transformer"], default="lstm")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    kernels = library.kernels()
    if kernels is None:
        sys.exit("no kernels: there is no C compiler, or HICO_KERNELS is off")
    terms: dict[str, list[float]] = defaultdict(list)  # of a step: seconds of each call
    plain = library.Kernels.call

    def timed(self: library.Kernels, name: str, *given: library.Argument) -> None:
        started = time.perf_counter()
        plain(self, name, *given)
        sizes = f" {given[0]} x {given[2]} times {given[2]} x {given[1]}" if name == "matmul" else ""
        terms[name + sizes].append(time.perf_counter() - started)

    library.Kernels.call = timed  # type: ignore[method-assign]
    if arguments.precision == "bfloat16" and not computes_bf16():
        sys.exit("this processor has no bfloat16 instructions")
    sizes = {"encoder": arguments.encoder, "width": arguments.width, "layers": arguments.layers}
    step = our_step(**sizes, precision=arguments.precision)
    data = batches()
    steps: list[tuple[float, dict[str, tuple[int, float]]]] = []
    for index in range(arguments.steps + 2):
        terms.clear()
        started = time.perf_counter()
        step(data[index % len(data)])
        total = time.perf_counter() - started
        if index >= 2:
            steps.append((total, {name: (len(calls), sum(calls)) for name, calls in terms.items()}))
    total = statistics.median(total for total, _ in steps)
    rest = statistics.median(total - sum(seconds for _, seconds in each.values()) for total, each in steps)
    which = f"{arguments.encoder}, D {arguments.width}, {arguments.precision}"
    print(f"{which}, {torch.get_num_threads()} threads; ms a step   calls")
    counts = {name: count for name, (count, _) in steps[0][1].items()}
    medians = {name: statistics.median(each[name][1] for _, each in steps) for name in counts}
    for name, seconds in sorted(medians.items(), key=lambda item: -item[1]):
        print(f"{name:<50} {seconds * 1e3:8.2f} {counts[name]:5}")
    print(f"{'all else':<50} {rest * 1e3:8.2f}")
    print(f"{'together':<50} {total * 1e3:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
