"""Exact 1-NN of the released settings' size, against the released evaluation: time, memory, answers.

    python benchmarks/knn.py --released DIR [--gallery 40000] [--queries 16000] [--width 4096] [--pairs 1]

DIR holds the released code: git clone https://github.com/HuiGuanLab/HiCo DIR. Its function ``knn`` of
action_retrieval.py runs as it is (scikit-learn's brute force, metric cosine, on what it normalises), on the same
features, each side in a process of its own; OMP_NUM_THREADS holds for both. Wanted: at least 5 times as fast, the
same answers, less than 2 GiB beyond the features. ``--features alike`` makes features as an encoder gives them: all
much the same way, classes close to each other; ``random`` has no structure at all. At full size the peer takes minutes
and 6 GiB; with ``--peer-queries`` it answers so many alone and its time is multiplied: it goes through them in chunks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

CLASSES = 60


def make_features(count: int, width: int, kind: str, part: int, *, apart: float = 0.3) -> Tensor:
    """Features (count, width); ``part`` tells gallery and queries apart, ``apart`` is how far classes are."""
    shared = torch.Generator().manual_seed(0)
    own = torch.Generator().manual_seed(part)
    if kind == "random":
        return torch.randn(count, width, generator=own)
    rank = min(width, 128)
    mean = torch.rand(width, generator=shared) + 0.5
    basis = torch.randn(rank, width, generator=shared) / rank**0.5
    classes = torch.randn(CLASSES, rank, generator=shared)
    labels = torch.randint(CLASSES, (count,), generator=own)
    within = torch.randn(count, rank, generator=own)
    features = torch.addmm(mean, apart * classes[labels] + 0.3 * within, basis)
    return features.add_(torch.randn(count, width, generator=own), alpha=0.05).relu_()


def memory(name: str) -> float:
    """MiB of this process: ``VmRSS`` now, or ``VmHWM``, the most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def ours(gallery: Tensor, queries: Tensor) -> np.ndarray:
    from hico_platform.evaluate.knn import nearest

    return nearest(gallery, queries)[:, 0].numpy()


def released(gallery: Tensor, queries: Tensor) -> np.ndarray:
    """The peer's function, with every gallery row its own class, and what it predicts instead of its score."""
    import action_retrieval

    action_retrieval.accuracy_score = lambda predicted, _: predicted
    with contextlib.redirect_stdout(sys.stderr):
        return action_retrieval.knn(gallery, queries, np.arange(len(gallery)), np.zeros(len(queries)), nn=1)


def work(arguments: argparse.Namespace) -> None:
    """One side, once: seconds, peak memory beyond the features, answers."""
    gallery = make_features(arguments.gallery, arguments.width, arguments.features, 1)
    queries = make_features(arguments.queries, arguments.width, arguments.features, 2)
    if arguments.side == "released":
        sys.path.insert(0, str(arguments.released))
        import action_retrieval  # noqa: F401  its imports are not timed
    else:
        ours(gallery[:64], queries[:64])
    if arguments.side == "released" and arguments.peer_queries:
        queries = queries[: arguments.peer_queries]
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = memory("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    found = {"ours": ours, "released": released}[arguments.side](gallery, queries)
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    np.save(arguments.out, found)
    print(json.dumps({"s": seconds, "cpu_s": cpu_s, "mib": memory("VmHWM") - before}))


def run(side: str, arguments: argparse.Namespace, out: Path) -> dict[str, float]:
    names = ("gallery", "queries", "width", "features", "peer_queries")
    options = [f"--{name.replace('_', '-')}={getattr(arguments, name)}" for name in names]
    done = subprocess.run(
        [sys.executable, __file__, *options, f"--released={arguments.released}", f"--side={side}", f"--out={out}"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
    return json.loads(done.stdout.splitlines()[-1])


def cosines(gallery: Tensor, queries: Tensor, places: np.ndarray) -> np.ndarray:
    left, right = queries.double(), gallery[torch.from_numpy(places)].double()
    return torch.nn.functional.cosine_similarity(left, right, dim=1).numpy()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--released", type=Path, help="the folder of the released code; without it, ours alone")
    parser.add_argument("--gallery", type=int, default=40_000)
    parser.add_argument("--queries", type=int, default=16_000)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--features", choices=["alike", "random"], default="alike")
    parser.add_argument("--peer-queries", type=int, default=0, help="queries that the peer answers (default: all)")
    parser.add_argument("--pairs", type=int, default=1, help="paired runs, of which the median counts")
    parser.add_argument("--side", choices=["ours", "released"], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        work(arguments)
        return 0
    sides = ["ours", "released"] if arguments.released else ["ours"]
    size = f"{arguments.gallery:,} x {arguments.queries:,} x {arguments.width:,} {arguments.features}"
    print(f"{size}, {torch.get_num_threads()} threads", flush=True)
    with tempfile.TemporaryDirectory(prefix="hico-knn-") as folder:
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for _ in range(arguments.pairs):
            for side in sides:
                runs[side].append(run(side, arguments, Path(folder) / f"{side}.npy"))
                last = runs[side][-1]
                print(f"{side:<9} {last['s']:7.2f} s  {last['cpu_s']:7.2f} CPU s  {last['mib']:7,.0f} MiB", flush=True)
        found = [np.load(Path(folder) / f"{side}.npy") for side in sides]
    passed = max(last["mib"] for last in runs["ours"]) < 2048
    if arguments.released:
        part = len(found[1]) / len(found[0])
        for clock in ("cpu_s", "s"):
            ratio = statistics.median(b[clock] / part / a[clock] for a, b in zip(*runs.values(), strict=True))
            what = "CPU time" if clock == "cpu_s" else "time"
            print(f"{what}: {ratio:.1f} times as much for the released{f', from {part:.0%}' if part < 1 else ''}")
        print("wanted: 5 times")
        found[0] = found[0][: len(found[1])]
        differ = np.flatnonzero(found[0] != found[1])
        gallery = make_features(arguments.gallery, arguments.width, arguments.features, 1)
        queries = make_features(arguments.queries, arguments.width, arguments.features, 2)[differ]
        gain = cosines(gallery, queries, found[0][differ]) - cosines(gallery, queries, found[1][differ])
        print(f"answers that differ: {len(differ)} of {len(found[0]):,}", end="")
        print(f"; there ours is nearer by {gain.min():.1e} to {gain.max():.1e}" if len(differ) else "")
        passed = passed and ratio >= 5 and bool((np.abs(gain) < 1e-6).all())
    print(f"memory beyond the features: {max(last['mib'] for last in runs['ours']):,.0f} MiB (wanted: under 2,048)")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
