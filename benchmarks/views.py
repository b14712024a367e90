"""Two views of every sequence, on one core: batched here, one sequence after another in the released feeder.

    git clone https://github.com/HuiGuanLab/HiCo released
    python benchmarks/views.py --released released

Both make what a step takes: query and key, temporal and spatial tokens, of the same sequences of 40 to 300 frames and
one or two bodies, read from a memory map (the peer's padded to 300 frames and 2 bodies, as released). Prints the
median of the pairs' ratios. Wanted, peer / ours: 10. About a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import peer

SEQUENCES, BATCH, PADDED = 512, 64, 300
BAR = 10.0


def make(folder: Path) -> None:
    from hico_platform.data.layout import KINECT_V2
    from hico_platform.data.normalise import Normalisation
    from hico_platform.data.sequence import Sequence
    from hico_platform.data.store_writer import StoreWriter

    random = np.random.default_rng(0)
    num_frames = random.integers(40, PADDED + 1, SEQUENCES)
    padded = np.zeros((SEQUENCES, 3, PADDED, 25, 2), np.float32)
    with StoreWriter(
        folder / "store",
        dataset="views",
        layout=KINECT_V2,
        class_names=["any"],
        provenance={},
        normalisation=Normalisation.RELEASED,
    ) as writer:
        for index, frames in enumerate(num_frames):
            bodies = 1 + index % 2
            pose = random.standard_normal((frames, bodies, 25, 3)).astype(np.float32)
            writer.add(Sequence(name=f"sequence-{index:04d}", label=0, pose=pose, metadata={}))
            padded[index, :, :frames, :, :bodies] = pose.transpose(3, 0, 2, 1)
    np.save(folder / "data.npy", padded)
    np.save(folder / "num_frame.npy", num_frames)


def work(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    order = np.random.default_rng(1).permutation(SEQUENCES)
    if arguments.worker == "ours":
        from hico_platform.build import build_views
        from hico_platform.config.trial import TrialConfig
        from hico_platform.data.store import Store
        from hico_platform.train.loop import tokens
        from hico_platform.train.malloc import keep_freed_memory

        keep_freed_memory()  # as every training does
        store = Store.open(arguments.folder / "store")
        views = build_views(TrialConfig().views, store=store, device=torch.device("cpu"))
        generator = torch.Generator().manual_seed(0)

        def batch(indices: np.ndarray) -> None:
            chosen = torch.from_numpy(indices)
            for _ in range(2):
                for part in tokens(views.random(chosen, generator=generator)):
                    part.contiguous()
    else:
        # The feeder turns a draw of one element into an int, which newer numpy refuses: draw a number instead.
        np.random.rand = lambda *shape: np.random.random_sample()
        with peer.on_path(arguments.released):
            from feeder.feeder_pretraining import Feeder

            feeder = Feeder(
                data_path=str(arguments.folder / "data.npy"),
                num_frame_path=str(arguments.folder / "num_frame.npy"),
                l_ratio=[0.1, 1],
                input_size=64,
                input_representation="joint",
            )

        def batch(indices: np.ndarray) -> None:
            torch.utils.data.default_collate([feeder[index] for index in indices])

    def timed(rounds: int) -> float:
        started = clock()
        for index in range(rounds):
            at = index * BATCH % SEQUENCES
            batch(order[at : at + BATCH])
        return (clock() - started) / rounds

    peer.serve(timed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--released", type=Path, required=True, help="folder of the released implementation")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: CPU time, on a shared machine")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", choices=["ours", "released"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
        return 0
    with tempfile.TemporaryDirectory(prefix="hico-views-") as folder:
        make(Path(folder))
        options = ["--folder", folder, "--released", str(arguments.released), "--clock", arguments.clock]
        workers = [peer.Worker(__file__, ["--worker", side, *options]) for side in ("ours", "released")]
        try:
            found = peer.paired(*workers, rounds=SEQUENCES // BATCH, pairs=arguments.pairs)
        finally:
            for worker in workers:
                worker.close()
    print(
        f"two views of a sequence, one core, {arguments.clock} time: ours {BATCH / found['ours_s']:,.0f} sequences/s, "
        f"released {BATCH / found['peer_s']:,.0f}; ratio {found['ratio']:.1f} (wanted: {BAR:g}; "
        f"lowest {found['ratio_min']:.1f}, highest {found['ratio_max']:.1f})"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if found["ratio"] >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
