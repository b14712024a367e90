"""Small stores and configurations that tests share."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np

from hico_platform.config.schema import replace
from hico_platform.config.trial import TrialConfig
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import Sequence
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter
from hico_platform.trial import TrainEvalSplit

CLASSES = 4


def small_store(
    directory: Path, *, count: int = 48, seed: int = 0, coordinates: int = 3, unlabelled: Container[int] = ()
) -> Store:
    """Sequences of smooth motion whose frequency is their class; one or two bodies, 20 to 90 frames.

    Those at the indices ``unlabelled`` have no label.
    """
    random = np.random.default_rng(seed)
    names = [f"class-{label}" for label in range(CLASSES)]
    with StoreWriter(
        directory,
        dataset="small",
        layout=KINECT_V2,
        class_names=names,
        provenance={"made": "for tests"},
        normalisation=Normalisation.RELEASED,
        coordinates=coordinates,
    ) as writer:
        for index in range(count):
            label = index % CLASSES
            frames, bodies = int(random.integers(20, 90)), 1 + index % 2
            phase = np.arange(frames)[:, None, None, None] * (label + 1) / 8 + random.uniform(0, 6)
            pose = random.normal(size=(1, bodies, 25, coordinates)) * 0.3 + 0.3 * np.sin(
                phase + random.normal(size=(1, bodies, 25, coordinates)) * 0.2
            )
            writer.add(
                Sequence(
                    name=f"S{index:03d}",
                    label=None if index in unlabelled else label,
                    pose=pose.astype(np.float32),
                    metadata={"subject": index // CLASSES % 6},
                )
            )
    return Store.open(directory)


def small_split(store: Store) -> TrainEvalSplit:
    """Every third sequence is scored on."""
    indices = np.arange(len(store))
    return TrainEvalSplit(store=store, train=indices[indices % 3 != 0], eval=indices[indices % 3 == 0])


def small_config(**values: object) -> TrialConfig:
    """A configuration that trains in a fraction of a second; ``__`` in a name stands for a dot."""
    defaults: dict[str, object] = {
        "model.encoder": "gru",
        "model.hidden_width": 16,
        "model.projection_width": 8,
        "model.precision": "float32",
        "contrast.queue_size": 24,
        "contrast.momentum": 0.9,
        "views.frames": 16,
        "views.min_crop_frames": 8,
        "optimiser.name": "adamw",
        "optimiser.learning_rate": 1e-3,
        "budget.epochs": 4,
        "budget.batch_size": 8,
        "evaluation.linear_epochs": 8,
    }
    changed = {name.replace("__", "."): value for name, value in values.items()}
    return replace(TrialConfig(), {**defaults, **changed})
