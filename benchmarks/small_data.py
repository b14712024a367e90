"""How search_spaces/small_data.yaml was found: views and settings for a few hundred recordings, tried on unseen ones.

    HICO_REAL_DATA=DIR python benchmarks/small_data.py --runs DIR [--draws 12] [--steps 400]

Two settings to begin with (the released matrices, and milder ones) and ``--draws`` random ones are pretrained on three
datasets (``embedded``, ``msr``, ``utkinect``) and scored among the training persons: each person's sequences ask those
of all the others (1-NN, mAP, ridge regression). The test split is closed. The score of a setting is its gain over the
untrained encoder on the same dataset, normalised by ``yaw`` as an import does, in points, averaged over the three
metrics and the datasets; the better half on the first two datasets goes on to the third. The best ``--finalists`` are
trained again from ``--seeds`` other seeds, and the mean over seeds decides, so that the winner is not the luckiest.
``benchmarks/results.py`` then tries it on ``sbu`` and ``wmft``, which this script does not read.

Each run is one JSON file in ``--runs`` and is not repeated, so the command can be interrupted and done in pieces.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks.normalisation import score
from benchmarks.recordings import CPU, Recordings, encoder_of, for_steps, persons, recordings
from hico_platform.atomic_io import write_whole
from hico_platform.build import build_views
from hico_platform.config.schema import Scalar, replace
from hico_platform.config.trial import TrialConfig
from hico_platform.data.normalise import Normalisation
from hico_platform.data.split_guard import Purpose, closed_test_split
from hico_platform.evaluate.features import encoder_features

DATASETS = ("embedded", "msr", "utkinect")
METRICS = ("knn_top1", "map", "ridge")
BASE: dict[str, Scalar] = {
    "model.encoder": "gru", "model.hidden_width": 64, "model.precision": "float32",
    "contrast.temperature": 0.1, "contrast.queue_size": 256, "contrast.momentum": 0.99,
    "views.frames": 32, "views.min_crop_frames": 8,
    "optimiser.name": "adamw", "optimiser.learning_rate": 3e-3, "optimiser.schedule": "cosine",
    "budget.batch_size": 64,
}  # fmt: skip
MILDER: dict[str, Scalar] = {
    "views.rotation_degrees": 30.0, "views.tilt_degrees": 10.0, "views.scale": 0.1,
    "views.shear_probability": 0.0, "views.corruption_probability": 0.5, "views.corruption": "zeroed",
}  # fmt: skip
RANGES: dict[str, tuple[Scalar, ...]] = {
    "views.min_crop_ratio": (0.1, 0.3, 0.5, 0.7),
    "views.rotation_degrees": (0.0, 15.0, 30.0, 45.0),
    "views.tilt_degrees": (0.0, 10.0, 20.0),
    "views.scale": (0.0, 0.1, 0.2),
    "views.shear_probability": (0.0, 0.25, 0.5),
    "views.shear_strength": (0.2, 0.5, 1.0),
    "views.corruption_probability": (0.25, 0.5, 0.75, 1.0),
    "views.corruption": ("zeroed", "random", "either"),
    "views.corrupted_joint_share": (0.2, 0.4, 0.6),
    "contrast.queue_size": (64, 256),
    "contrast.momentum": (0.9, 0.99),
    "optimiser.learning_rate": (1e-3, 3e-3),
}
NORMALISATIONS = (Normalisation.YAW, Normalisation.CENTRE)  # of real recordings; the embedded ones ship as released


def settings(draws: int) -> dict[str, dict[str, Any]]:
    """What is tried, by name; the draws are the same for any number of them."""
    found: dict[str, dict[str, Any]] = {}
    for method in NORMALISATIONS:
        found[f"released matrices, {method}"] = {"normalisation": method}
        found[f"milder views, {method}"] = {"normalisation": method, **MILDER}
    draw = random.Random(0)
    for number in range(draws):
        values = {name: draw.choice(choices) for name, choices in RANGES.items()}
        found[f"draw {number}"] = {"normalisation": draw.choice(NORMALISATIONS), **values}
    return found


class Runs:
    """Runs by dataset, setting and seed; those in the folder are read."""

    def __init__(self, folder: Path, *, data: Path | None, steps: int) -> None:
        self._folder, self._data, self._steps = folder, data, steps
        self._known: dict[tuple[str, Normalisation], Recordings] = {}

    def scores(self, dataset: str, name: str, values: Mapping[str, Any], *, seed: int) -> dict[str, float]:
        """Scores among the training persons; without any step for ``untrained``."""
        method = Normalisation.RELEASED if dataset == "embedded" else Normalisation(values["normalisation"])
        steps = 0 if name == "untrained" else self._steps
        label = name.split(", ", maxsplit=1)[0] if dataset == "embedded" else name  # which has one normalisation
        label = f"{name}-{method}" if name == "untrained" else label
        file = self._folder / f"{dataset}-{label.replace(', ', '-').replace(' ', '-')}-{steps}-seed-{seed}.json"
        config = {**BASE, **{key: value for key, value in values.items() if "." in key}, "budget.seed": seed}
        if file.exists():
            kept = json.loads(file.read_text())
            if kept["config"] == config:
                return dict(kept["scores"])
        began = time.monotonic()
        found = self._run(self._recordings(dataset, method), config, steps=steps)
        seconds = round(time.monotonic() - began, 1)
        content = {"config": config, "normalisation": method, "scores": found, "seconds": seconds}
        write_whole(file, json.dumps(content, indent=1).encode())
        print(f"{file.stem}: {shown(found)} in {seconds:.0f} s", flush=True)
        return found

    def _recordings(self, dataset: str, method: Normalisation) -> Recordings:
        if (dataset, method) not in self._known:
            found = recordings(dataset, method, data=self._data, folder=self._folder / "stores")
            if found is None:
                raise SystemExit(f"{dataset}: HICO_REAL_DATA does not hold it")
            self._known[dataset, method] = found
        return self._known[dataset, method]

    def _run(self, source: Recordings, config: Mapping[str, Scalar], *, steps: int) -> dict[str, float]:
        store, train = source.store.without(source.split.open_test(Purpose.COUNTS)), source.train
        whole = replace(TrialConfig(), config)
        if steps:
            whole = for_steps(whole, steps=steps, sequences=len(train))
        encoder = encoder_of(whole, store=store, train=train, trained=bool(steps))
        views = build_views(whole.views, store=store, device=CPU)
        features = encoder_features(encoder, views=views, indices=train, centre_crop=whole.evaluation.centre_crop)
        labels = torch.tensor(store.labels)[train]
        who = torch.tensor(persons(store)[train.numpy()].astype(np.int64))
        folds = [(who != person, who == person) for person in who.unique()]
        rows = [score(features, labels, fit, ask) for fit, ask in folds]
        weights = [int(ask.sum()) for _, ask in folds]
        return dict(zip(METRICS, np.average(rows, axis=0, weights=weights).tolist(), strict=True))


def shown(scores: Mapping[str, float]) -> str:
    return " / ".join(f"{100 * scores[metric]:.1f}" for metric in METRICS)


def gain(runs: Runs, name: str, values: Mapping[str, Any], *, seed: int, datasets: tuple[str, ...] = DATASETS) -> float:
    """Points above the untrained encoder, averaged over metrics and datasets."""
    gains = []
    for dataset in datasets:
        untrained = runs.scores(dataset, "untrained", {"normalisation": NORMALISATIONS[0]}, seed=0)
        found = runs.scores(dataset, name, values, seed=seed)
        gains += [100 * (found[metric] - untrained[metric]) for metric in METRICS]
    return mean(gains)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data", type=Path, default=os.environ.get("HICO_REAL_DATA"))
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--finalists", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2, help="seeds of a finalist beside the first")
    arguments = parser.parse_args()
    with closed_test_split("the choice of small_data.yaml"):
        choose(arguments)


def choose(arguments: argparse.Namespace) -> None:
    """Carries out the runs, and prints what they say."""
    data = None if arguments.data is None else Path(arguments.data)
    runs = Runs(arguments.runs, data=data, steps=arguments.steps)
    tried = settings(arguments.draws)
    early = {name: gain(runs, name, values, seed=0, datasets=DATASETS[:2]) for name, values in tried.items()}
    better = sorted(early, key=lambda name: -early[name])[: (len(early) + 1) // 2]
    first = {name: gain(runs, name, tried[name], seed=0) for name in better}
    ranked = sorted(first, key=lambda name: -first[name])
    print(f"| setting | gain on {' and '.join(DATASETS[:2])} | gain on all |\n|---|---|---|")
    for name in sorted(early, key=lambda name: -early[name]):
        print(f"| {name} | {early[name]:+.1f} | {f'{first[name]:+.1f}' if name in first else ''} |")
    means = {
        name: mean([first[name], *(gain(runs, name, tried[name], seed=seed) for seed in range(1, 1 + arguments.seeds))])
        for name in ranked[: arguments.finalists]
    }
    best = max(means, key=lambda name: means[name])
    print("\n| finalist | mean gain |\n|---|---|")
    for name, value in means.items():
        print(f"| {name} | {value:+.1f} |")
    print(f"\nbest: {best}\n{json.dumps({**tried[best]}, indent=1)}")


if __name__ == "__main__":
    main()
