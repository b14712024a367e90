"""Whether bf16 (and tf32, on a GPU) learns as well as float32: downstream accuracy on the embedded dataset.

    python benchmarks/precision_accuracy.py [--epochs 20] [--seeds 3] [--encoder lstm] [--precision tf32,bf16]

A small model (D 64, AdamW) is pretrained on the training part of the embedded dataset in each precision with the same
seeds; 1-NN and linear probe are scored on the validation part, features in float32. Claim: the mean difference is
within two standard errors of the seeds' own differences, or within 2 points. About 10 minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.config.schema import replace
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Decision
from hico_platform.trial import run_trial
from hico_platform.worker.datasets import dataset
from hico_platform.worker.run_task import TrialData

METRICS = ("knn_top1", "recognition_top1")
MARGIN = 0.02


def score(data: TrialData, values: dict[str, object], epochs: int) -> dict[str, float]:
    config = replace(TrialConfig(), values)
    split, _ = data.splits()
    with tempfile.TemporaryDirectory(prefix="hico-precision-") as folder:
        outcome = run_trial(
            config,
            split=split,
            target=None,
            directory=Path(folder),
            report_epochs=(epochs,),
            report=lambda report: Decision.CONTINUE,
            device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        )
    return {name: outcome.metrics[name] for name in METRICS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--encoder", choices=["gru", "lstm", "transformer"], default="lstm")
    parser.add_argument("--precision", default="bf16", help="what is held against float32: bf16, tf32 or both")
    parser.add_argument("--protocol", default="xsub")
    parser.add_argument("--home", type=Path, default=Path(".demo"), help="where the embedded dataset is, or is made")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    source = dataset(None, protocol=arguments.protocol, home=arguments.home)
    data = TrialData(source=source, target=None)
    others = arguments.precision.split(",")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("float32", *others)}
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for precision, scores in found.items():
            values: dict[str, object] = {
                "model.encoder": arguments.encoder,
                "model.hidden_width": 64,
                "model.precision": precision,
                "contrast.queue_size": 512,
                "contrast.momentum": 0.99,
                "contrast.temperature": 0.1,
                "views.frames": 32,
                "evaluation.linear_batch_size": 64,
                "optimiser.name": "adamw",
                "optimiser.learning_rate": 1e-3,
                "budget.epochs": arguments.epochs,
                "budget.seed": seed,
            }
            scores.append(score(data, values, arguments.epochs))
            print(
                f"seed {seed} {precision:<8}", {name: f"{value:.1%}" for name, value in scores[-1].items()}, flush=True
            )
    holds = True
    for other, name in itertools.product(others, METRICS):
        differences = [low[name] - exact[name] for exact, low in zip(found["float32"], found[other], strict=True)]
        mean = statistics.mean(differences)
        error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
        holds &= abs(mean) <= max(2 * error, MARGIN)
        print(f"{name}: {other} - float32 = {mean * 100:+.1f} points (standard error {error * 100:.1f})")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
