"""A target in another layout, and targets that an encoder cannot take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V1, KINECT_V2, Layout
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.map_layout import map_store
from hico_platform.data.normalise import Normalisation
from hico_platform.data.store import Store
from hico_platform.data.store_for_encoder import PoseFormat, store_for_encoder
from hico_platform.errors import DataError
from tests.small import small_store

POSES = PoseFormat(layout=KINECT_V1, coordinates=3, normalisation=Normalisation.RELEASED)


def test_a_store_in_the_encoders_layout_is_taken_as_it_is(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=4)
    spelled = Layout.from_plain(
        KINECT_V2.as_plain() | {"name": "other", "joints": [name.upper() for name in KINECT_V2.joints]}
    )
    for layout in (KINECT_V2, spelled):
        found = store_for_encoder(
            store, poses=replace(PoseFormat.of_store(store), layout=layout), folder=tmp_path / "x"
        )
        assert found is store
    assert not (tmp_path / "x").exists()


def test_another_layout_is_mapped_once(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=4)
    told: list[tuple[int, int]] = []
    found = store_for_encoder(store, poses=POSES, folder=tmp_path / "made", progress=lambda *at: told.append(at))
    map_store(store, KINECT_V1, tmp_path / "expected")
    assert found.digest == Store.open(tmp_path / "expected").digest
    assert found.layout == KINECT_V1
    assert found.names == store.names
    assert np.array_equal(found.labels, store.labels)
    assert told[-1] == (4, 4)
    again = store_for_encoder(store, poses=POSES, folder=tmp_path / "made", progress=lambda *at: told.append(at))
    assert again.directory == found.directory
    assert len(told) == 4
    other = store_for_encoder(store, poses=replace(POSES, layout=LAYOUTS["common-15"]), folder=tmp_path / "made")
    assert other.directory != found.directory


def test_a_closed_test_split_is_not_opened_by_a_copy(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=4)
    with pytest.raises(ValueError, match="a copy would be open"):
        store_for_encoder(store.without(np.array([1])), poses=POSES, folder=tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=2)
    flat = small_store(tmp_path / "flat", count=2, coordinates=2)
    with pytest.raises(DataError, match=r"flat: coordinates: expected poses of 3 coordinates.*got 2"):
        store_for_encoder(flat, poses=POSES, folder=tmp_path)
    upright = replace(POSES, normalisation=Normalisation.UPRIGHT)
    with pytest.raises(
        DataError, match=r"normalised as the encoder's, upright, got 'released'; .*--normalisation upright"
    ):
        store_for_encoder(store, poses=upright, folder=tmp_path)
    with pytest.raises(
        DataError, match=r"the encoder's, none, got 'released'; prepare the raw files again in this way$"
    ):
        store_for_encoder(store, poses=replace(POSES, normalisation=None), folder=tmp_path)
    mediapipe = replace(POSES, layout=LAYOUTS["mediapipe"])
    with pytest.raises(
        DataError, match=r"layout: expected a layout of joints that kinect-v2 has, got \['nose'.*; take a"
    ):
        store_for_encoder(store, poses=mediapipe, folder=tmp_path)
