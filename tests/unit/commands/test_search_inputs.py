from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import pytest

from hico_platform.commands import search_inputs as module
from hico_platform.commands.search_inputs import search_inputs
from hico_platform.config.space import CheckedSpace
from hico_platform.data.layout import KINECT_V1
from hico_platform.data.map_layout import map_store
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import ClosedTestSplitError, Purpose
from hico_platform.data.store import Store
from hico_platform.enums import Signal
from hico_platform.errors import DataError
from tests import toy
from tests.small import small_store

toy_space = functools.partial(toy.toy_space, batch_size=4)
"""A space whose trials train on the few sequences of a small store."""


def test_trials_are_scored_on_validation_subjects_and_transfer_to_the_target(tmp_path: Path) -> None:
    source, target = (small_store(tmp_path / name, seed=seed) for seed, name in enumerate(("source", "target")))
    space = toy_space(protocol="odd-subjects", transfer=str(tmp_path / "target"), transfer_protocol="odd-subjects")
    inputs = search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "source"))
    assert not inputs.data.on_test_split
    assert inputs.data.source.open()[0].digest == inputs.facts.data_digest == source.digest
    assert inputs.data.target is not None
    assert inputs.data.target.open()[0].digest == inputs.facts.more["transfer_digest"] == target.digest
    assert inputs.facts.more["transfer"] == str(tmp_path / "target")
    assert inputs.function.keywords == {"data": inputs.data}
    assert inputs.data.signal is Signal.KNN_TOP1
    space = toy_space(
        protocol="odd-subjects",
        transfer=str(tmp_path / "target"),
        transfer_protocol="odd-subjects",
        objectives=["knn_subjects"],
    )
    inputs = search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "source"))
    assert inputs.data.signal is Signal.KNN_SUBJECTS
    assert inputs.noise is not None
    assert (inputs.noise.sequences, inputs.noise.persons) == (24, 3)
    assert inputs.noise.warning in inputs.warnings


def test_data_that_make_no_batch_are_refused_before_a_trial_begins(tmp_path: Path) -> None:
    for seed, name in enumerate(("source", "target")):
        small_store(tmp_path / name, seed=seed)
    whole = {"protocol": "odd-subjects", "transfer": str(tmp_path / "target"), "transfer_protocol": "odd-subjects"}

    def inputs(space: CheckedSpace) -> int:
        found = search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "source"))
        return int(found.facts.more["train_sequences"])

    trained_on = inputs(toy_space(**whole, batch_size=2))
    assert inputs(toy_space(**whole, batch_size=trained_on)) == trained_on
    with pytest.raises(
        DataError, match=rf"batch_size: expected at most the {trained_on} .* got {trained_on + 1}; lower it"
    ):
        inputs(toy_space(**whole, batch_size=trained_on + 1))
    assert inputs(toy_space(**whole, batch_size=trained_on + 1, objectives=["knn_subjects"])) == trained_on


def test_a_transfer_target_of_other_coordinates_is_refused_and_the_generated_one_is_left_out(tmp_path: Path) -> None:
    small_store(tmp_path / "flat", coordinates=2)
    small_store(tmp_path / "deep")
    space = toy_space(protocol="odd-subjects", transfer=str(tmp_path / "deep"), transfer_protocol="odd-subjects")
    with pytest.raises(DataError, match=r"expected a dataset of 2D .* got '3D poses in.*; name one of 2D poses"):
        search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "flat"))
    small_store(tmp_path / "home" / "data" / "transfer-0")  # stands for the generated one
    space = toy_space(protocol="odd-subjects", transfer_protocol="odd-subjects")
    alone = search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "flat"))
    assert alone.data.target is None


def test_a_transfer_target_of_another_layout_can_be_mapped(tmp_path: Path) -> None:
    map_store(small_store(tmp_path / "v2"), KINECT_V1, tmp_path / "v1")
    space = toy_space(protocol="odd-subjects", transfer=str(tmp_path / "v2"), transfer_protocol="odd-subjects")
    with pytest.raises(DataError, match=r"use `hico-platform data map \S+ --layout kinect-v1"):
        search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "v1"))
    space = toy_space(protocol="odd-subjects", transfer=str(tmp_path / "v1"), transfer_protocol="odd-subjects")
    assert search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "v1")).data.target is not None
    own = replace(KINECT_V1, name="my-sensor")
    map_store(Store.open(tmp_path / "v2"), own, tmp_path / "own")
    with pytest.raises(DataError, match=r"--layout FILE"):  # data map knows no layout of that name
        search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "own"))


def test_the_facts_say_how_many_sequences_are_unlabelled(tmp_path: Path) -> None:
    small_store(tmp_path / "source", count=96, unlabelled=range(48))
    small_store(tmp_path / "target")
    space = toy_space(protocol="odd-subjects", transfer=str(tmp_path / "target"), transfer_protocol="odd-subjects")
    facts = search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "source")).facts.more
    assert (facts["train_sequences"], facts["validation_sequences"]) == (16, 8)
    assert (facts["pretrain_only_sequences"], facts["unlabelled_sequences"]) == (16, 16)
    labelled = search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "target")).facts.more
    assert not {"pretrain_only_sequences", "unlabelled_sequences"} & set(labelled), "as older versions wrote them"


@pytest.mark.parametrize("without", ["source", "target"])
def test_data_without_labels_cannot_be_searched_or_transferred_to(tmp_path: Path, without: str) -> None:
    for name in ("source", "target"):
        small_store(tmp_path / name, unlabelled=range(48) if name == without else ())
    space = toy_space(transfer=str(tmp_path / "target"), transfer_protocol="odd-subjects", protocol="odd-subjects")
    field = "data" if without == "source" else "transfer"
    with pytest.raises(
        DataError, match=f"{without}: {field}: expected labelled sequences of at least 2 classes among the"
    ):
        search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "source"))


def test_what_prepares_a_search_may_not_read_the_test_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = small_store(tmp_path / "source")
    space = toy_space(protocol="odd-subjects", transfer=str(tmp_path / "source"), transfer_protocol="odd-subjects")
    monkeypatch.setattr(
        module, "code_version", lambda: split_store(store, "odd-subjects").open_test(Purpose.RETRAINING)
    )
    with pytest.raises(ClosedTestSplitError, match=r"got 'a search'; leave the test split to retraining"):
        search_inputs(space, home=tmp_path / "home", data=str(tmp_path / "source"))
