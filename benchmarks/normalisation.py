"""Which normalisation is best: raw poses and a briefly pretrained encoder, on real recordings and the embedded dataset.

    HICO_REAL_DATA=DIR python benchmarks/normalisation.py [--datasets msr sbu] [--steps 120] [--seeds 3] [--json FILE]

``HICO_REAL_DATA`` (or ``--data``) is a folder that holds manifests of the datasets at ``wmft``, ``real/msr``,
``real/utkinect`` and ``real/sbu``; what is not there is left out. The embedded dataset is generated.

Odd subjects train, even ones test. *Validation* leaves out one training subject after another: its recordings ask all
others of the training subjects; a method is chosen by that. *Test* recordings ask the training ones. Pretraining takes
the training subjects, without labels. *Camera* (embedded alone) lets camera 1 ask cameras 2 and 3. Each part has 1-NN,
mAP and a ridge regression on standardised features (lambda by leave-one-out over the training recordings).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch

from hico_platform.build import build_views
from hico_platform.config.layout_file import find_layout
from hico_platform.config.schema import replace
from hico_platform.config.trial import TrialConfig
from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.readers import FORMATS, ReadOptions
from hico_platform.data.sequence import Sequence
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter
from hico_platform.data.synth.generate import generate
from hico_platform.data.synth.presets import EMBEDDED
from hico_platform.errors import DataError
from hico_platform.evaluate.features import encoder_features, raw_pose_features
from hico_platform.evaluate.retrieval import retrieval
from hico_platform.train.session import begin_session

REAL = {
    "msr": ("real/msr", "kinect-v1"),
    "utkinect": ("real/utkinect", "kinect-v1"),
    "sbu": ("real/sbu", "real/sbu15.yaml"),
    "wmft": ("wmft", "kinect-v2"),
}
GENERATED = "embedded"
METHODS = tuple(method for method in Normalisation if method.coordinates == 3)
METRICS = ("1-NN", "mAP", "ridge")
LAMBDAS = tuple(10.0**power for power in range(-1, 6))
BATCH = 32

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The recordings of a dataset as a sensor reports them."""

    layout: Layout
    sequences: list[Sequence]

    @property
    def labels(self) -> torch.Tensor:
        return torch.tensor([sequence.label for sequence in self.sequences])

    @property
    def subjects(self) -> torch.Tensor:
        digits = (re.sub(r"\D", "", str(sequence.metadata["subject"])) for sequence in self.sequences)
        return torch.tensor([int(number) for number in digits])

    @property
    def cameras(self) -> torch.Tensor | None:
        found = [sequence.metadata.get("camera") for sequence in self.sequences]
        return None if None in found else torch.tensor(found)

    def store(self, folder: Path, method: Normalisation) -> Store:
        with StoreWriter(
            folder / method,
            dataset="measured",
            layout=self.layout,
            class_names=[str(label) for label in range(int(self.labels.max()) + 1)],
            provenance={},
            normalisation=method,
        ) as writer:
            for i, sequence in enumerate(self.sequences):
                pose = normalise(sequence.pose, self.layout, method=method).pose
                writer.add(Sequence(name=str(i), label=sequence.label, pose=pose))
        return Store.open(folder / method)


def load(name: str, data: Path | None) -> Dataset | None:
    if name == GENERATED:
        return Dataset(layout=KINECT_V2, sequences=list(generate(EMBEDDED, seed=0)))
    raw, layout_name = REAL[name]
    if data is None or not (data / raw).is_dir():
        return None
    layout = find_layout(str(data / layout_name) if layout_name.endswith(".yaml") else layout_name)
    source = FORMATS["manifest"](data / raw, ReadOptions(layout=layout))
    return Dataset(layout=layout, sequences=list(usable(source)))


def usable(source: object) -> Iterator[Sequence]:
    for item in source.plan().items:  # type: ignore[attr-defined]
        try:
            yield from (found for found in source.read(item) if isinstance(found, Sequence))  # type: ignore[attr-defined]
        except DataError:
            continue  # as an import: one recording of MSR-Action3D is all zeros


def ridge(train: torch.Tensor, labels: torch.Tensor, test: torch.Tensor, test_labels: torch.Tensor) -> float:
    """Top-1 of a ridge regression onto one-hot labels; lambda by the leave-one-out error, from one decomposition."""
    centre, spread = train.mean(dim=0), train.std(dim=0).clamp_min(1e-6)
    x, q = ((part - centre).double() / spread / train.shape[1] ** 0.5 for part in (train, test))
    y = torch.nn.functional.one_hot(labels).double()
    y = y - y.mean(dim=0)
    values, vectors = torch.linalg.eigh(x @ x.T)
    errors = []
    for penalty in LAMBDAS:
        hat = vectors * (values / (values + penalty * 1e-3)) @ vectors.T
        held_out = (y - hat @ y) / (1 - hat.diagonal())[:, None].clamp_min(1e-9)
        errors.append(float(held_out.square().sum()))
    best = LAMBDAS[int(np.argmin(errors))] * 1e-3
    scores = q @ x.T @ (vectors / (values + best) @ vectors.T @ y)
    return float((scores.argmax(dim=1) == test_labels).double().mean())


def score(features: torch.Tensor, labels: torch.Tensor, gallery: torch.Tensor, queries: torch.Tensor) -> list[float]:
    found = retrieval(features[gallery], labels[gallery], features[queries], labels[queries], k=1)
    probed = ridge(features[gallery], labels[gallery], features[queries], labels[queries])
    return [found.top1, found.mean_average_precision, probed]


def scores(features: torch.Tensor, dataset: Dataset) -> Scores:
    """Validation, test and, where there are cameras, camera scores of all recordings' features (n, F)."""
    labels, subjects, cameras = dataset.labels, dataset.subjects, dataset.cameras
    odd = subjects % 2 == 1
    folds = [(odd & (subjects != subject), odd & (subjects == subject)) for subject in subjects[odd].unique()]
    parts = {"validation": folds, "test": [(odd, ~odd)]}
    if cameras is not None:
        parts["camera, validation"] = [(fit & (cameras != 1), ask & (cameras == 1)) for fit, ask in folds]
        parts["camera, test"] = [(odd & (cameras != 1), ~odd & (cameras == 1))]
    found: Scores = {}
    for part, pairs in parts.items():
        rows = [score(features, labels, fit, ask) for fit, ask in pairs]
        weights = [int(ask.sum()) for _, ask in pairs]
        found[part] = dict(zip(METRICS, np.average(rows, axis=0, weights=weights).tolist(), strict=True))
    return found


def pretrained(config: TrialConfig, store: Store, train: torch.Tensor, steps: int) -> torch.Tensor:
    """Features of all recordings by an encoder that was pretrained on ``train`` for about ``steps`` steps."""
    device = torch.device("cpu")
    views = build_views(config.views, store=store, device=device)
    session = begin_session(config, layout=store.layout, device=device)
    if steps:
        for _ in session.train(views=views, sequences=train):
            pass
    return encoder_features(
        session.encoder, views=views, indices=torch.arange(len(store)), centre_crop=config.evaluation.centre_crop
    )


def configured(seed: int, *, steps: int, train: int) -> TrialConfig:
    """A small encoder, and crops that are shorter than these recordings."""
    return replace(
        TrialConfig(),
        {
            "model.encoder": "gru", "model.hidden_width": 64, "model.projection_width": 64,
            "model.precision": "float32",
            "contrast.queue_size": 256, "contrast.momentum": 0.99, "views.min_crop_frames": 8,
            "optimiser.name": "adamw", "optimiser.learning_rate": 1e-3, "optimiser.schedule": "cosine",
            "budget.batch_size": BATCH, "budget.epochs": max(1, round(steps / (train // BATCH))), "budget.seed": seed,
        },
    )  # fmt: skip


def measure(
    name: str, dataset: Dataset, *, steps: int, seeds: int, say: Callable[[str], None]
) -> dict[str, list[Scores]]:
    """Scores by ``features, method``; raw poses once, the encoder for each seed."""
    train = torch.nonzero(dataset.subjects % 2 == 1)[:, 0]
    found: dict[str, list[Scores]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="normalisation-") as scratch:
        stores = {method: dataset.store(Path(scratch), method) for method in METHODS}
        for method, store in stores.items():
            config = configured(0, steps=steps, train=len(train))
            views = build_views(config.views, store=store, device=torch.device("cpu"))
            raw = raw_pose_features(views=views, indices=torch.arange(len(store)), centre_crop=0.95)
            found[f"raw pose, {method}"].append(scores(raw, dataset))
        for seed in range(seeds):
            for method, store in stores.items():
                began = time.monotonic()
                config = configured(seed, steps=steps, train=len(train))
                found[f"encoder, {method}"].append(scores(pretrained(config, store, train, steps), dataset))
                say(f"{name} seed {seed} {method}: {time.monotonic() - began:.0f} s")
    return found


def table(name: str, found: dict[str, list[Scores]]) -> str:
    parts = list(next(iter(found.values()))[0])
    lines = [f"| {name} | " + " | ".join(f"{part} {metric}" for part in parts for metric in METRICS) + " |"]
    lines.append("|---" * (1 + len(parts) * len(METRICS)) + "|")
    for row, seeds in found.items():
        cells = []
        for part in parts:
            for metric in METRICS:
                values = [100 * one[part][metric] for one in seeds]
                cells.append(f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else ""))
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("HICO_REAL_DATA"))
    parser.add_argument("--datasets", nargs="+", choices=(*REAL, GENERATED), default=(*REAL, GENERATED))
    parser.add_argument("--steps", type=int, default=120, help="pretraining steps of 32 sequences; 0: untrained")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    results = {}
    for name in arguments.datasets:
        dataset = load(name, None if arguments.data is None else Path(arguments.data))
        if dataset is None:
            print(f"{name}: left out, HICO_REAL_DATA has no {REAL[name][0]}")
            continue
        say = lambda line: print(line, flush=True)  # noqa: E731
        results[name] = measure(name, dataset, steps=arguments.steps, seeds=arguments.seeds, say=say)
        print(table(name, results[name]), flush=True)
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
