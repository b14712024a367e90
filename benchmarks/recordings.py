"""What the measurements on real recordings share: stores by normalisation, persons' parts, and a pretraining by steps.

Datasets are those of ``benchmarks/normalisation.py``: the embedded one, and those that ``HICO_REAL_DATA`` holds. Odd
subjects train, even ones test.
"""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from benchmarks.normalisation import GENERATED, REAL, Dataset, load
from hico_platform.build import build_views
from hico_platform.config.protocol_file import find_protocol_rule
from hico_platform.config.schema import replace
from hico_platform.config.trial import TrialConfig
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.sequence import Sequence
from hico_platform.data.split import Split, split_store
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter
from hico_platform.errors import DataError
from hico_platform.model.encoder import HierarchicalEncoder
from hico_platform.train.session import begin_session

NAMES = (GENERATED, *REAL)
PROTOCOL = "odd-subjects"
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """A dataset in one normalisation, as a store that is made once and kept."""

    name: str
    method: Normalisation
    store: Store

    @cached_property
    def split(self) -> Split:
        """Training, validation and test persons."""
        return split_store(self.store, find_protocol_rule(PROTOCOL))

    @property
    def train(self) -> torch.Tensor:
        """Indices of all sequences of training persons, those that validate among them."""
        return torch.tensor(self.split.train_and_val)


def recordings(name: str, method: Normalisation, *, data: Path | None, folder: Path) -> Recordings | None:
    """The dataset, from ``folder`` where it was made before; None where its raw files are not at hand."""
    directory = folder / f"{name}-{method}"
    try:
        return Recordings(name=name, method=method, store=Store.open(directory))
    except DataError:
        shutil.rmtree(directory, ignore_errors=True)
    dataset = _loaded(name, data)
    if dataset is None:
        return None
    classes = [str(label) for label in range(int(dataset.labels.max()) + 1)]
    subjects = dataset.subjects.tolist()
    with StoreWriter(
        directory, dataset=name, layout=dataset.layout, class_names=classes, provenance={}, normalisation=method
    ) as writer:
        for i, (sequence, subject) in enumerate(zip(dataset.sequences, subjects, strict=True)):
            pose = normalise(sequence.pose, dataset.layout, method=method).pose
            writer.add(Sequence(name=f"{i:05d}", label=sequence.label, pose=pose, metadata={"subject": subject}))
    return Recordings(name=name, method=method, store=Store.open(directory))


@functools.lru_cache(maxsize=1)
def _loaded(name: str, data: Path | None) -> Dataset | None:
    return load(name, data)


def for_steps(config: TrialConfig, *, steps: int, sequences: int) -> TrialConfig:
    """The configuration with as many epochs as make about ``steps`` steps on so many sequences."""
    batch = min(config.budget.batch_size, sequences)
    epochs = max(1, round(steps / (sequences // batch)))
    return replace(config, {"budget.epochs": epochs, "budget.batch_size": batch})


def encoder_of(config: TrialConfig, *, store: Store, train: torch.Tensor, trained: bool = True) -> HierarchicalEncoder:
    """An encoder that is pretrained on the sequences ``train``, or its initial weights."""
    session = begin_session(config, layout=store.layout, device=CPU, coordinates=store.coordinates)
    if trained:
        for _ in session.train(views=build_views(config.views, store=store, device=CPU), sequences=train):
            pass
    return session.encoder


def persons(store: Store) -> np.ndarray:
    """The person of each sequence."""
    subjects = store.column("subject")
    assert subjects is not None
    return subjects
