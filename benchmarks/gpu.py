"""Epochs an hour on 40,000 NTU-like sequences at the released settings, and several trials on one device at once.

    python benchmarks/gpu.py [--trials 1,2,4,8] [--precision float32,tf32,bf16] [--encoder gru,lstm] [--json FILE]
    python benchmarks/gpu.py --released released    # the released code too, its loader with 16 workers

Needs torch, numpy and pyarrow alone. Sequences are generated noise of 40 to 300 frames and one or two bodies: how fast
they train does not depend on what they show. Each trial is a process of its own on the same device; the time is of
--steps steps after warming up, all trials at once, begun together. Prints epochs an hour of one trial and of
all together, sequences/s, and the share of the device's measured matrix-product rate that the products of a step
reach. Without a GPU it takes a smaller model and fewer sequences, so the figures only show that it runs.

The released implementation: git clone https://github.com/HuiGuanLab/HiCo released. Wanted: 10 times its epochs an hour.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

EPOCH = 40_000
BATCH, FRAMES, PADDED = 64, 64, 300


def make(directory: Path, sequences: int) -> None:
    from hico_platform.data.layout import KINECT_V2
    from hico_platform.data.normalise import Normalisation
    from hico_platform.data.sequence import Sequence
    from hico_platform.data.store_writer import StoreWriter

    random = np.random.default_rng(0)
    noise = random.standard_normal((PADDED + 2000, 2, 25, 3)).astype(np.float32)
    with StoreWriter(
        directory,
        dataset="gpu",
        layout=KINECT_V2,
        class_names=["any"],
        provenance={},
        normalisation=Normalisation.RELEASED,
    ) as writer:
        for index in range(sequences):
            start, frames = int(random.integers(2000)), int(random.integers(40, PADDED + 1))
            pose = np.ascontiguousarray(noise[start : start + frames, : 1 + index % 2])
            writer.add(Sequence(name=f"sequence-{index:06d}", label=0, pose=pose, metadata={}))


def step_flops(width: int, encoder: str, granularities: int = 4, projection: int = 128, queue: int = 2048) -> float:
    """Floating-point operations of the matrix products of one step: the query's three times, the key's once."""
    tokens = sum((length >> level) for length in (FRAMES, 50) for level in range(granularities))
    squares = {"gru": 4.5, "lstm": 6.0, "transformer": 6.0}[encoder]  # D*D products a token
    embed = FRAMES * (150 + width) * width + 50 * (FRAMES * 3 + width) * width
    heads = (2 * granularities + 4 * granularities) * width * width + (2 * granularities + 3) * width * projection
    logits = projection * queue * (2 * granularities + 3)
    return 2.0 * BATCH * (4 * (tokens * squares * width * width + embed + heads) + 2 * logits)


def measured_flops(device: torch.device, precision: str) -> float:
    """Operations a second of a large product, the ceiling that a step is held against."""
    from hico_platform.enums import Precision
    from hico_platform.ops.precision import float32_products

    size = 4096 if device.type == "cuda" else 1024
    left = torch.randn(size, size, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    best = 0.0
    with float32_products(Precision(precision), device):
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(4):
                left @ left
            if device.type == "cuda":
                torch.cuda.synchronize()
            best = max(best, 4 * 2 * size**3 / (time.perf_counter() - started))
    return best


def training(store: Path, options: dict[str, Any]) -> tuple[Iterator[object], int]:
    """Epochs of one training, to be taken one by one, the first of which warms up; and how many steps each has."""
    from hico_platform.build import build_model, build_optimiser, build_views
    from hico_platform.config.schema import replace
    from hico_platform.config.trial import TrialConfig
    from hico_platform.data.store import Store
    from hico_platform.train.loop import pretrain
    from hico_platform.train.state import TrainingState

    device = torch.device(options["device"])
    if device.type == "cpu":
        torch.set_num_threads(1)
    opened = Store.open(store)
    config = replace(TrialConfig(), options["values"])
    model = build_model(config, layout=opened.layout, device=device)
    state = TrainingState(model=model, optimiser=build_optimiser(config.optimiser, model=model), seed=options["seed"])
    views = build_views(config.views, store=opened, device=device)
    count = min(options["steps"] * BATCH, len(opened) // BATCH * BATCH)
    epochs = pretrain(
        state,
        views=views,
        train=torch.arange(count, device=device),
        epochs=1 + -(-options["steps"] * BATCH // count),
        batch_size=BATCH,
        learning_rate=lambda epoch: config.optimiser.learning_rate,
    )
    return epochs, count // BATCH


def trial(store: Path, options: dict[str, Any], ready: Any, answers: Any) -> None:
    """One training on the shared device; answers seconds a step and MiB of GPU memory."""
    epochs, steps = training(store, options)
    next(epochs)  # warms up
    ready.wait()
    started = time.perf_counter()
    done = sum(1 for _ in epochs)  # an epoch ends with its mean losses on the host, so the device has finished
    seconds = time.perf_counter() - started
    memory = torch.cuda.max_memory_allocated() / 2**20 if options["device"] == "cuda" else 0.0
    answers.put((seconds / (done * steps), memory))


def released(folder: Path, *, steps: int, encoder: str, width: int, workers: int) -> float:
    """Seconds a step of the released code with its own loader."""
    from benchmarks import peer
    from benchmarks.step import released_step

    count = 4096 if torch.cuda.is_available() else 256
    with tempfile.TemporaryDirectory(prefix="hico-peer-") as place:
        data = Path(place) / "data.npy"
        random = np.random.default_rng(0)
        np.save(data, random.standard_normal((count, 3, PADDED, 25, 2), dtype=np.float32))
        np.save(Path(place) / "num_frame.npy", random.integers(40, PADDED + 1, count))
        step = released_step(folder, encoder=encoder, width=width, layers=1)
        # The feeder turns a draw of one element into an int, which newer numpy refuses: draw a number instead.
        np.random.rand = lambda *shape: np.random.random_sample()
        with peer.on_path(folder):
            from feeder.feeder_pretraining import Feeder

            feeder = Feeder(str(data), str(Path(place) / "num_frame.npy"), [0.1, 1], 64, "joint")
        loader = torch.utils.data.DataLoader(
            feeder, batch_size=BATCH, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
        )  # fmt: skip
        done, started = -len(loader), 0.0  # the first pass warms up
        while done < steps:
            for batch in loader:
                if done == 0:
                    started = time.perf_counter()
                step(tuple(part.float().cuda(non_blocking=True) for part in batch))
                done += 1
        return (time.perf_counter() - started) / done


def together(store: Path, options: dict[str, Any], trials: int) -> tuple[float, float]:
    """Seconds a step of the slowest of several trials at once, and MiB of GPU memory of one."""
    context = multiprocessing.get_context("spawn")
    ready, answers = context.Barrier(trials), context.Queue()
    processes = [
        context.Process(target=trial, args=(store, {**options, "seed": seed}, ready, answers)) for seed in range(trials)
    ]
    for process in processes:
        process.start()
    found = []
    while len(found) < trials:
        try:
            found.append(answers.get(timeout=5))
        except Exception:  # an empty queue: still at work, or dead
            if any(process.exitcode not in (None, 0) for process in processes):
                for process in processes:
                    process.terminate()
                raise SystemExit("a trial died; its error is above") from None
    for process in processes:
        process.join()
    return max(seconds for seconds, _ in found), max(memory for _, memory in found)


def row(encoder: str, precision: str, trials: int, seconds: float, memory: float, share: float) -> dict[str, Any]:
    each = 3600 / (EPOCH // BATCH * seconds)
    return {
        "encoder": encoder,
        "precision": precision,
        "trials": trials,
        "step_s": seconds,
        "sequences_per_s": trials * BATCH / seconds,
        "epochs_per_h_each": each,
        "epochs_per_h": trials * each,
        "share_of_products": share,
        "memory_mib": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    gpu = torch.cuda.is_available()
    parser.add_argument("--trials", default="1,2,4,8" if gpu else "1,2")
    parser.add_argument("--precision", default="float32,tf32,bf16" if gpu else "float32,bf16")
    parser.add_argument("--encoder", default="transformer", help="transformer, gru, lstm, or several of them")
    parser.add_argument("--width", type=int, default=512 if gpu else 64)
    parser.add_argument("--sequences", type=int, default=EPOCH if gpu else 512)
    parser.add_argument("--steps", type=int, default=600 if gpu else 8)
    parser.add_argument("--released", type=Path, help="folder of the released implementation, to run it as well")
    parser.add_argument("--workers", type=int, default=16 if gpu else 2, help="of the released loader")
    parser.add_argument("--data", type=Path, help="where the sequences are, or are made and kept")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device("cuda" if gpu else "cpu")
    name = torch.cuda.get_device_name() if gpu else "CPU, smaller size: these figures only show that it runs"
    print(f"{name}; torch {torch.__version__}, D {arguments.width}, batch {BATCH}, {arguments.sequences} sequences")
    rows: list[dict[str, Any]] = []
    encoders = arguments.encoder.split(",")
    with tempfile.TemporaryDirectory(prefix="hico-gpu-") as folder:
        store = arguments.data or Path(folder) / "store"
        if not store.exists():
            make(store, arguments.sequences)
        print(
            "| encoder | precision | trials | ms a step | sequences/s | epochs/h each | all | of products | MiB each |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for encoder, precision in itertools.product(encoders, arguments.precision.split(",")):
            ceiling = measured_flops(device, precision)
            values = {
                "model.encoder": encoder, "model.hidden_width": arguments.width, "model.precision": precision
            }  # fmt: skip
            for trials in map(int, arguments.trials.split(",")):
                options = {"device": device.type, "values": values, "steps": arguments.steps}
                seconds, memory = together(store, options, trials)
                share = trials * step_flops(arguments.width, encoder) / seconds / ceiling
                found = row(encoder, precision, trials, seconds, memory, share)
                rows.append(found)
                print(
                    f"| {encoder} | {precision} | {trials} | {seconds * 1e3:.1f} | {found['sequences_per_s']:,.0f} "
                    f"| {found['epochs_per_h_each']:.0f} | {found['epochs_per_h']:.0f} | {share:.0%} | {memory:.0f} |",
                    flush=True,
                )
    for encoder in encoders if arguments.released else ():
        seconds = released(
            arguments.released, steps=arguments.steps, encoder=encoder, width=arguments.width,
            workers=arguments.workers,
        )  # fmt: skip
        epochs = 3600 / (EPOCH // BATCH * seconds)
        print(f"released, {encoder}, {arguments.workers} workers: {seconds * 1e3:.1f} ms a step, {epochs:.0f} epochs/h")
        for found in rows:
            if found["encoder"] == encoder:
                found["ratio"] = found["epochs_per_h"] / epochs
                print(f"{found['precision']}, {found['trials']} at once: {found['ratio']:.1f} times (wanted: 10)")
    if arguments.json:
        arguments.json.write_text(json.dumps({"device": name, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
