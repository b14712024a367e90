"""Where the time of a step goes on a GPU: each kernel of recorded steps.

    python benchmarks/gpu_terms.py [--encoder lstm] [--precision float32] [--steps 60] [--rows 25]

Needs torch, numpy and pyarrow alone. The released settings on generated sequences (benchmarks/gpu.py), views included.
Prints milliseconds a step by kernel, from PyTorch's profiler; what runs side by side is counted each, so their sum
exceeds the step, whose time without the profiler is printed too. Without a GPU it profiles a small model's operators.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.gpu import BATCH, make, training


def main() -> None:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", choices=["transformer", "gru", "lstm"], default="transformer")
    parser.add_argument("--precision", choices=["float32", "tf32", "bf16"], default="float32")
    parser.add_argument("--width", type=int, default=512 if gpu else 64)
    parser.add_argument("--steps", type=int, default=60 if gpu else 4)
    parser.add_argument("--rows", type=int, default=25, help="kernels to print")
    arguments = parser.parse_args()
    values = {
        "model.encoder": arguments.encoder,
        "model.hidden_width": arguments.width,
        "model.precision": arguments.precision,
    }
    with tempfile.TemporaryDirectory(prefix="hico-gpu-") as folder:
        store = Path(folder) / "store"
        make(store, arguments.steps * BATCH)
        options = {"device": "cuda" if gpu else "cpu", "values": values, "seed": 0, "steps": 2 * arguments.steps}
        epochs, steps = training(store, options)  # of one pass each: the first warms up, then one timed, one profiled
        next(epochs)
        started = time.perf_counter()
        next(epochs)
        wall = (time.perf_counter() - started) / steps * 1e3
        with profile(activities=[ProfilerActivity.CUDA if gpu else ProfilerActivity.CPU]) as seen:
            next(epochs)
    spent: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in seen.key_averages():
        spent[event.key] += event.self_device_time_total if gpu else event.self_cpu_time_total
        calls[event.key] += event.count
    print(f"{arguments.encoder}, {arguments.precision}, D {arguments.width}: {wall:.2f} ms a step, ", end="")
    print(f"{sum(spent.values()) / steps / 1e3:.2f} ms of {sum(calls.values()) / steps:.0f} kernels")
    for name, time_us in spent.most_common(arguments.rows):
        print(f"{time_us / steps / 1e3:8.3f} ms {calls[name] / steps:7.1f} x  {name[:100]}")


if __name__ == "__main__":
    main()
