from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from hico_platform.checkpoint import save_checkpoint
from hico_platform.data.store import Store
from hico_platform.errors import CheckpointError
from hico_platform.evaluate.features import encoder_features
from hico_platform.export import load_encoder
from hico_platform.retrain.exported_model import export_model
from hico_platform.trial import TrainEvalSplit
from tests.exported import small_checkpoint
from tests.small import small_split, small_store

CPU = torch.device("cpu")


class Data:
    """What a retraining has: the split that it trains and scores on."""

    def __init__(self, split: TrainEvalSplit) -> None:
        self.split = split

    def splits(self) -> tuple[TrainEvalSplit, None]:
        return self.split, None


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("store") / "store")


def checkpoint(folder: Path) -> Path:
    made = small_checkpoint()
    return save_checkpoint(folder, epoch=3, tensors=made.tensors, facts=made.facts)


def test_the_gallery_is_what_the_run_was_trained_on(store: Store, tmp_path: Path) -> None:
    split = small_split(store)
    folder = export_model(checkpoint(tmp_path / "best-seed-0"), data=Data(split))  # type: ignore[arg-type]
    assert folder == tmp_path / "best-seed-0" / "encoder"
    encoder = load_encoder(folder)
    recogniser = encoder.recogniser
    assert encoder.class_names == tuple(store.class_names)
    assert recogniser.names == tuple(store.names[index] for index in split.train)
    assert recogniser.labels.tolist() == [store.labels[index] for index in split.train]
    assert not {store.names[index] for index in split.eval} & set(recogniser.names), "no sequence of the test split"
    data = split.eval_data(encoder.config, device=CPU)
    expected = encoder_features(
        encoder.network, views=data.views, indices=data.train, centre_crop=encoder.config.evaluation.centre_crop
    )
    np.testing.assert_array_equal(recogniser.gallery.numpy(), expected.numpy())


def test_sequences_without_a_label_are_in_no_gallery(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=24, unlabelled=range(0, 24, 4))
    labelled = np.flatnonzero(store.labelled)
    split = TrainEvalSplit(
        store=store, train=labelled[::2], eval=labelled[1::2], pretrain_only=np.flatnonzero(~store.labelled)
    )
    folder = export_model(checkpoint(tmp_path / "run"), data=Data(split))  # type: ignore[arg-type]
    encoder = load_encoder(folder)
    assert encoder.recogniser.names == tuple(store.names[index] for index in labelled[::2])
    with_none = int(np.bincount(store.labels[split.train], minlength=4).argmin())
    assert (encoder.probabilities([np.ones((5, 25, 3), np.float32)])[:, with_none] == 0).all()


def test_a_model_is_exported_once(store: Store, tmp_path: Path) -> None:
    split = small_split(store)
    path = checkpoint(tmp_path / "run")
    folder = export_model(path, data=Data(split))  # type: ignore[arg-type]
    written = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    fewer = dataclasses.replace(split, train=split.train[:9])
    assert export_model(path, data=Data(fewer)) == folder  # type: ignore[arg-type]
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == written


def test_without_a_checkpoint_nothing_is_left(store: Store, tmp_path: Path) -> None:
    (tmp_path / "run" / "epoch-000003").mkdir(parents=True)
    with pytest.raises(CheckpointError):
        export_model(tmp_path / "run" / "epoch-000003", data=Data(small_split(store)))  # type: ignore[arg-type]
    assert [each.name for each in (tmp_path / "run").iterdir()] == ["epoch-000003"]
