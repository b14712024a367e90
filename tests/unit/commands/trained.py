"""A small store, and encoders trained on it for an epoch, for the tests of commands that read one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hico_platform.checkpoint import load_checkpoint
from hico_platform.data.store import Store
from hico_platform.enums import Decision
from hico_platform.export import export_encoder
from hico_platform.trial import run_trial
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData
from tests.small import small_config, small_store

PROTOCOL = "odd-subjects"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A home's folder with a store, and runs by the name of the folder."""

    folder: Path
    store: Store

    @property
    def source(self) -> Dataset:
        """The store under the protocol that the encoders were trained under."""
        return Dataset(location=str(self.store.directory), protocol=PROTOCOL, cache=self.folder / "cache")

    def run(self, name: str, *, on_test_split: bool = False, **values: Any) -> Path:
        """Trains once under this name; its folder has a checkpoint and ``encoder``, an exported one."""
        directory = self.folder / name
        if not directory.exists():
            split, _ = TrialData(source=self.source, target=None, on_test_split=on_test_split).splits()
            outcome = run_trial(
                small_config(budget__epochs=1, **values),
                split=split,
                target=None,
                directory=directory,
                report_epochs=(),
                report=lambda _: Decision.CONTINUE,
                device=torch.device("cpu"),
                provenance={
                    "data_digest": self.store.digest,
                    "protocol": PROTOCOL,
                    "scored_on": "test" if on_test_split else "val",
                },
            )
            export_encoder(load_checkpoint(outcome.checkpoint), directory / "encoder")
        return directory


def trained_in(folder: Path) -> Trained:
    """The store alone; runs are trained when they are asked for."""
    return Trained(folder=folder, store=small_store(folder / "store", count=72))
