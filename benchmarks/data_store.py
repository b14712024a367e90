"""Opening a store of 100,000 sequences, and the memory of several processes that read one.

    python benchmarks/data_store.py [--sequences 100000] [--readers 4] [--scratch DIR]

Wanted: it opens in under 0.1 s; the proportional set size (memory counted once, shared pages divided among those
that share them) of all readers together is that of one plus small change.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import Sequence
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter

FRAMES = 12


def make(directory: Path, count: int) -> None:
    pose = np.random.default_rng(0).standard_normal((FRAMES, 1, 25, 3)).astype(np.float32)
    with StoreWriter(
        directory,
        dataset="benchmark",
        layout=KINECT_V2,
        class_names=[str(i) for i in range(60)],
        provenance={},
        normalisation=Normalisation.RELEASED,
    ) as writer:
        for i in range(count):
            metadata = {"subject": i % 40 + 1, "camera": i % 3 + 1, "setup": i % 17 + 1, "repetition": i % 2 + 1}
            writer.add(Sequence(name=f"sequence-{i:07d}", label=i % 60, pose=pose, metadata=metadata))


def smaps(kind: str) -> float:
    """MiB of this process: ``Pss`` of everything, or ``Private_Dirty``."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{kind}:")) / 1024


def reader(directory: Path, pipe: Connection) -> None:
    torch.set_num_threads(1)
    before = smaps("Pss")
    pipe.send(before)
    pipe.recv()
    store = Store.open(directory)
    total = float(store.values.nansum())  # touches every page
    pipe.send(total)
    pipe.recv()
    pipe.send((smaps("Pss"), smaps("Private_Dirty")))
    pipe.recv()


def readers(directory: Path, count: int) -> tuple[float, float]:
    """MiB that reading added to all readers together: proportional, and private to one of them alone."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(target=reader, args=(directory, theirs))
        process.start()
        pipes.append(ours)
        processes.append(process)
    answers = []
    for _ in range(3):
        answers.append([pipe.recv() for pipe in pipes])
        for pipe in pipes:
            pipe.send(None)
    for process in processes:
        process.join()
    before, _, after = answers
    together = sum(pss for pss, _ in after) - sum(before)
    return together, max(dirty for _, dirty in after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=100_000)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        directory = Path(scratch) / "store"
        make(directory, arguments.sequences)
        start = time.perf_counter()
        store = Store.open(directory)
        parts = store.values, store.offsets, store.labels, store.num_frames, store.num_bodies
        opened_s = time.perf_counter() - start
        size_mib = sum(file.stat().st_size for file in directory.iterdir()) / 2**20
        print(f"{len(parts[1]):,} sequences, {size_mib:.0f} MiB: opened in {opened_s * 1e3:.1f} ms (wanted: under 100)")
        one, _ = readers(directory, 1)
        many, _ = readers(directory, arguments.readers)
        print(f"reading all of it added {one:.0f} MiB to one process, {many:.0f} MiB to {arguments.readers} together")
        print(f"ratio: {many / one:.2f} (wanted: near 1; {arguments.readers} copies would be {arguments.readers})")


if __name__ == "__main__":
    main()
