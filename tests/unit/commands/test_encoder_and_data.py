"""An encoder against the data it would be scored on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hico_platform.commands.encoder_and_data import in_layout_of, seen_in_training
from hico_platform.commands.trained_encoder import TrainedEncoder
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.map_layout import map_store
from hico_platform.data.split import split_store
from hico_platform.errors import DataError
from hico_platform.worker.datasets import Dataset
from tests.small import small_store
from tests.unit.commands.trained import PROTOCOL, Trained


def test_what_was_seen_in_training_is_told_by_the_provenance(trained: Trained, encoder: TrainedEncoder) -> None:
    split = split_store(trained.store, PROTOCOL)

    def seen(**changed: object) -> set[int]:
        provenance = {name: value for name, value in {**encoder.provenance, **changed}.items() if value is not None}
        one = dataclasses.replace(encoder, provenance=provenance)
        return set(seen_in_training(one, trained.source).tolist())

    assert seen() == set(split.train.tolist())
    assert seen(scored_on="test") == set(split.train_and_val.tolist())
    assert seen(pretrained_on="all training subjects") == set(split.train_and_val.tolist()), "a search by knn_subjects"
    assert seen(scored_on=None) == set(split.train_and_val.tolist()), "it may have been"
    assert seen(protocol="a rule.yaml") == set(split.train.tolist()), "the file is gone: taken to be this one"
    assert seen(protocol="a rule.yaml", protocol_rule='{"train": {"subject": [0, 1, 2, 3, 4]}}', scored_on="test") == {
        i for i, subject in enumerate(trained.store.column("subject")) if subject != 5
    }, "the rule as it was then, whatever the file says by now"
    assert seen(data_digest="another") == set()


def test_a_dataset_of_the_encoders_joints_is_taken_as_it_is(trained: Trained, encoder: TrainedEncoder) -> None:
    source = trained.source
    assert in_layout_of(encoder, source) is source
    assert not (source.cache / "mapped").exists()


def test_joints_that_a_dataset_cannot_give_are_named(encoder: TrainedEncoder, tmp_path: Path) -> None:
    map_store(small_store(tmp_path / "whole"), LAYOUTS["common-15"], tmp_path / "common")
    common = Dataset(location=str(tmp_path / "common"), protocol=PROTOCOL, cache=tmp_path / "cache")
    with pytest.raises(DataError, match=r"layout: expected a layout of joints that common-15 has"):
        in_layout_of(encoder, common)
