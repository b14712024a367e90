from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data import describe as module
from hico_platform.data.describe import Lengths, describe
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import Sequence
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter

CENTRE = KINECT_V2.centre_joint


def store_of(folder: Path, *sequences: Sequence, normalisation: Normalisation | None = None) -> Store:
    with StoreWriter(
        folder,
        dataset="small",
        layout=KINECT_V2,
        class_names=["sit", "walk", "run"],
        provenance={},
        normalisation=normalisation,
    ) as writer:
        for sequence in sequences:
            writer.add(sequence)
    return Store.open(folder)


def sequence(number: int, *, frames: int = 4, bodies: int = 1, label: int | None = 0, **metadata: Any) -> Sequence:
    pose = np.ones((frames, bodies, 25, 3), np.float32)
    return Sequence(name=f"s{number}", label=label, pose=pose, metadata=metadata)


def test_counts_by_class_body_and_length(tmp_path: Path) -> None:
    found = describe(
        store_of(
            tmp_path / "store",
            sequence(0, frames=2, label=0),
            sequence(1, frames=4, label=1, bodies=2),
            sequence(2, frames=9, label=1),
            sequence(3, frames=1, label=None),
        )
    )
    assert (found.dataset, found.sequences, found.unlabelled, found.layout) == ("small", 4, 1, "kinect-v2")
    assert found.classes == {"sit": 1, "walk": 2, "run": 0}
    assert found.bodies == {"1": 3, "2": 1}
    assert found.frames == Lengths(shortest=1, median=3.0, mean=4.0, longest=9, total=16)
    assert found.as_dict()["frames"]["longest"] == 9


def test_columns_count_their_values_and_those_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(
        tmp_path / "store",
        sequence(0, subject=1, room="a", speed=0.5),
        sequence(1, subject=1, room=None, speed=1.0),
        sequence(2, subject=None, room="b", speed=None),
    )
    columns = describe(store).columns
    assert columns["subject"] == {"1": 2, "(none)": 1}, "whole numbers stay whole where one is missing"
    assert columns["room"] == {"a": 1, "b": 1, "(none)": 1}
    assert columns["speed"] == {"0.5": 1, "1.0": 1, "(none)": 1}
    monkeypatch.setattr(module, "_MOST_VALUES", 1)
    assert describe(store).columns["room"] == {"(2 values)": 2}


def test_missing_joints_are_shares_of_the_frames_in_which_the_body_is_there(tmp_path: Path) -> None:
    pose = np.ones((4, 1, 25, 3), np.float32)
    pose[0] = 0
    pose[1, 0, 7] = 0
    pose[:, 0, CENTRE] = 0
    made = Sequence(name="s", label=0, pose=pose)
    recorded = describe(store_of(tmp_path / "recorded", made))
    hand, centre = KINECT_V2.joints[7], KINECT_V2.joints[CENTRE]
    assert recorded.empty_frames == pytest.approx(0.25)
    assert recorded.missing_joints[hand] == pytest.approx(1 / 3)
    assert recorded.missing_joints[centre] == 1.0
    assert sum(recorded.missing_joints.values()) == pytest.approx(4 / 3)
    normalised = describe(store_of(tmp_path / "normalised", made, normalisation=Normalisation.RELEASED))
    assert normalised.missing_joints[centre] == 0.0, "normalisation moves it to zero"


def test_an_empty_store(tmp_path: Path) -> None:
    found = describe(store_of(tmp_path / "store"))
    assert (found.sequences, found.frames.total, found.bodies) == (0, 0, {})
    assert set(found.missing_joints.values()) == {0.0}
