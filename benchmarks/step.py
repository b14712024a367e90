"""A full training step against the released implementation: same machine, same sizes, run in turns.

    git clone https://github.com/HuiGuanLab/HiCo released
    python benchmarks/step.py --released released

A step is contrast, gradient, optimiser (SGD with momentum and weight decay) and queues, from tokens that are ready,
in training mode. Batch 64, G 4, P 128, K 2048, one encoder layer (the released settings); D 512 in float32 and
bfloat16, and D 64 in float32. The peer always computes in float32, as released. Prints the median of the pairs'
ratios for each, and with --json writes them to a file. About 8 minutes on 2 cores. Where the processor has no
bfloat16 instructions, that precision is left out and named. ``--ours pytorch`` computes by PyTorch's operators alone,
``--ours compiled`` by those under torch.compile, which takes two minutes to get ready for each encoder and size.

Wanted, peer / ours: 1.3 in float32, 2 in bfloat16, 2 at D 64.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import peer

BATCH, FRAMES, JOINTS, BODIES, COORDINATES = 64, 64, 25, 2, 3
GRANULARITIES, PROJECTION, QUEUE, TEMPERATURE, MOMENTUM, HEADS = 4, 128, 2048, 0.2, 0.999, 4
BARS = {("float32", 512): 1.3, ("bfloat16", 512): 2.0, ("float32", 64): 2.0}


def batches() -> list[tuple[Tensor, ...]]:
    """Four batches of random poses as tokens: query temporal and spatial, key temporal and spatial."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(4):
        views = []
        for _ in range(2):
            poses = torch.randn(BATCH, FRAMES, BODIES, JOINTS, COORDINATES, generator=generator)
            views += [poses.flatten(2), poses.permute(0, 2, 3, 1, 4).flatten(1, 2).flatten(2)]
        found.append(tuple(views))
    return found


def our_step(
    *, encoder: str, width: int, layers: int, precision: str, how: str = "kernels"
) -> Callable[[tuple[Tensor, ...]], object]:
    if how != "kernels":
        os.environ["HICO_KERNELS"] = "off"
    from hico_platform.build import build_model, build_optimiser
    from hico_platform.config.schema import replace
    from hico_platform.config.trial import TrialConfig
    from hico_platform.data.layout import KINECT_V2
    from hico_platform.model.encoder import Tokens
    from hico_platform.train.loop import train_step
    from hico_platform.train.state import TrainingState

    values: dict[str, object] = {"model.encoder": encoder, "model.hidden_width": width, "model.layers": layers}
    values["model.precision"] = {"bfloat16": "bf16"}.get(precision, precision)
    config = replace(TrialConfig(), values)
    model = build_model(config, layout=KINECT_V2, device=torch.device("cpu"))
    if how == "compiled":
        for side in (model.query.encoder, model.key.encoder):
            side.compile()
    optimiser = build_optimiser(config.optimiser, model=model)
    state = TrainingState(model=model, optimiser=optimiser, seed=0)
    state.model.train()
    return lambda batch: train_step(state, Tokens(*batch[:2]), Tokens(*batch[2:]))


def released_step(released: Path, *, encoder: str, width: int, layers: int) -> Callable[[tuple[Tensor, ...]], object]:
    names = {"gru": "GRU", "lstm": "LSTM", "transformer": "Transformer"}
    with peer.on_path(released):
        from hico.builder import HiCo
        from losses import MultiPositiveInfoNCE

        torch.manual_seed(0)
        arguments = {
            "t_input_size": BODIES * JOINTS * COORDINATES,
            "s_input_size": FRAMES * COORDINATES,
            "kernel_size": 5,
            "stride": 1,
            "padding": 2,
            "factor": 2,
            "hidden_size": width,
            "num_head": HEADS,
            "num_layer": layers,
            "granularity": GRANULARITIES,
            "encoder": names[encoder],
            "num_class": PROJECTION,
        }
        model = HiCo(arguments, PROJECTION, QUEUE, MOMENTUM, TEMPERATURE)
    model.train().cuda()
    cross_entropy, multi_positive = torch.nn.CrossEntropyLoss(), MultiPositiveInfoNCE()
    optimiser = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)

    def step(batch: tuple[Tensor, ...]) -> None:
        clip, part, temporal, spatial, instance, *targets = model(*batch)
        loss = (
            multi_positive(clip, targets[0])
            + multi_positive(part, targets[1])
            + cross_entropy(temporal, targets[2])
            + cross_entropy(spatial, targets[3])
            + cross_entropy(instance, targets[4])
        )
        loss.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def computes_bf16() -> bool:
    from hico_platform.ops.precision import has_bf16

    return has_bf16(torch.device("cpu"))


def work(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    sizes = {"encoder": arguments.encoder, "width": arguments.width, "layers": arguments.layers}
    if arguments.worker == "ours":
        step = our_step(**sizes, precision=arguments.precision, how=arguments.ours)
    else:
        step = released_step(arguments.released, **sizes)
    data = batches()

    def timed(rounds: int) -> float:
        started = clock()
        for index in range(rounds):
            step(data[index % len(data)])
        return (clock() - started) / rounds

    peer.serve(timed)


def compare(arguments: argparse.Namespace, *, encoder: str, width: int, precision: str) -> dict[str, object]:
    options = ["--encoder", encoder, "--width", str(width), "--layers", str(arguments.layers)]
    options += [
        "--clock",
        arguments.clock,
        "--threads",
        str(arguments.threads),
        "--precision",
        precision,
        "--ours",
        arguments.ours,
        "--released",
        str(arguments.released),
    ]
    workers = [peer.Worker(__file__, ["--worker", side, *options]) for side in ("ours", "released")]
    try:
        found = peer.paired(
            *workers, rounds=arguments.rounds if width > 128 else 5 * arguments.rounds, pairs=arguments.pairs
        )
    finally:
        for worker in workers:
            worker.close()
    return {"encoder": encoder, "width": width, "layers": arguments.layers, "precision": precision, **found}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--released", type=Path, required=True, help="folder of the released implementation")
    parser.add_argument("--encoder", choices=["gru", "lstm", "transformer"], help="only this one")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], help="only this one")
    parser.add_argument("--width", type=int, help="only this D")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3, help="steps between two readings of the clock (D 64: 5 times)")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: CPU time, on a machine that others use as well"
    )
    parser.add_argument("--ours", choices=["kernels", "pytorch", "compiled"], default="kernels")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", choices=["ours", "released"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
        return 0
    results = []
    print(f"torch {torch.__version__}, {arguments.threads} threads, {arguments.clock} time, batch {BATCH}; ms a step")
    print(f"{'encoder':<12} {'D':>4} {'precision':<9} {'ours':>8} {'released':>9} {'ratio':>6}  bar  (lowest, highest)")
    for (precision, width), bar in BARS.items():
        if arguments.precision not in (None, precision) or arguments.width not in (None, width):
            continue
        if precision == "bfloat16" and not computes_bf16():
            print(f"{'all':<12} {width:>4} {precision:<9} not measured: this processor has no bfloat16 instructions")
            continue
        for encoder in ("gru", "lstm", "transformer"):
            if arguments.encoder not in (None, encoder):
                continue
            found = compare(arguments, encoder=encoder, width=width, precision=precision)
            found["bar"] = bar
            results.append(found)
            print(
                f"{encoder:<12} {width:>4} {precision:<9} {found['ours_s'] * 1e3:>8.1f} {found['peer_s'] * 1e3:>9.1f} "
                f"{found['ratio']:>6.2f}  {found['bar']}  ({found['ratio_min']:.2f}, {found['ratio_max']:.2f})",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0 if all(found["ratio"] >= found["bar"] for found in results) else 1


if __name__ == "__main__":
    sys.exit(main())
