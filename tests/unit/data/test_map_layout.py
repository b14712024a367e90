from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.anatomy import joint_key, rest_pose
from hico_platform.data.layout import KINECT_V1, KINECT_V2, Layout
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.map_layout import joint_sources, map_store
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.sequence import Sequence, nan_where_zero
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter
from hico_platform.data.synth.generate import one_sequence
from hico_platform.data.synth.presets import TINY
from hico_platform.data.verify import verify
from hico_platform.errors import DataError

COMMON = LAYOUTS["common-15"]


def named(source: str, target: str) -> dict[str, tuple[str, ...]]:
    ours, theirs = LAYOUTS[source], LAYOUTS[target]
    found = joint_sources(ours, theirs)
    return {
        name: tuple(ours.joints[joint] for joint in joints) for name, joints in zip(theirs.joints, found, strict=True)
    }


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_layout_gives_the_common_joints_near_their_places(name: str) -> None:
    rest, wanted = rest_pose(LAYOUTS[name]), rest_pose(COMMON)
    made = np.array([rest[list(joints)].mean(axis=0) for joints in joint_sources(LAYOUTS[name], COMMON)])
    assert np.linalg.norm(made - wanted, axis=-1).max() < 0.15
    assert {joint_key(joint) for joint in COMMON.joints} == {joint_key(joint) for joint in named(name, "common-15")}


def test_joints_are_taken_by_name_and_midpoints_stand_for_those_that_are_not_there() -> None:
    made = named("kinect-v2", "kinect-v1")
    assert made["shoulder_centre"] == ("spine_shoulder",)
    assert made["hip_centre"] == ("spine_base",)
    assert made["hand_left"] == ("hand_left",)
    made = named("coco", "common-15")
    assert made["shoulder_centre"] == ("shoulder_left", "shoulder_right")
    assert made["head"] == ("ear_left", "ear_right")
    assert made["spine"] == ("hip_left", "hip_right", "shoulder_left", "shoulder_right")
    assert named("sbu", "common-15")["wrist_left"] == ("hand_left",)


def test_joints_that_cannot_be_given_are_named() -> None:
    with pytest.raises(DataError, match=r"layout: expected a layout of joints that kinect-v1 has, got \['hand_tip"):
        joint_sources(KINECT_V1, KINECT_V2)
    with pytest.raises(DataError, match=r"got \['wrist_left', 'wrist_right', 'ankle_left', 'ankle_right'\]; choose a"):
        joint_sources(LAYOUTS["sbu"], KINECT_V1)  # it has one joint where kinect-v1 has hand and wrist


def store(path: Path, method: Normalisation | None, layout: Layout = KINECT_V2) -> Store:
    joints = [joint for (joint,) in joint_sources(KINECT_V2, layout)]
    with StoreWriter(
        path, dataset="tiny", layout=layout, class_names=["a", "b", "c", "d"], provenance={"seed": 0},
        normalisation=method, protocols={"mine": {"train": {"subject": "odd"}}},
    ) as writer:  # fmt: skip
        for action in range(4):
            raw = one_sequence(TINY, seed=0, action=action, subject=0, camera=1, repetition=0)
            pose = raw.pose[:, :, joints]
            pose = np.nan_to_num(pose) if method is None else normalise(pose, layout, method=method).pose
            label = action if action < 3 else None
            writer.add(Sequence(name=raw.name, label=label, pose=pose, metadata=raw.metadata))
    return Store.open(path)


@pytest.mark.parametrize("method", [None, *(method for method in Normalisation if method.coordinates == 3)])
def test_a_mapped_store_is_as_one_prepared_in_the_new_layout(tmp_path: Path, method: Normalisation | None) -> None:
    source = store(tmp_path / "v2", method)
    told: list[tuple[int, int]] = []
    map_store(source, KINECT_V1, tmp_path / "mapped", progress=lambda *at: told.append(at))
    mapped, prepared = Store.open(tmp_path / "mapped"), store(tmp_path / "v1", method, KINECT_V1)
    assert verify(mapped) == []
    assert (mapped.names, mapped.columns, told[-1]) == (source.names, source.columns, (4, 4))
    np.testing.assert_array_equal(mapped.labels, source.labels)
    assert (mapped.layout, mapped.normalisation, mapped.protocols) == (KINECT_V1, method, source.protocols)
    assert mapped.provenance["mapped"] == {
        "digest": source.digest, "layout": "kinect-v2", "provenance": source.provenance,
    }  # fmt: skip
    for i in range(len(source)):
        if method is Normalisation.RELEASED:  # whose second turn depends on the camera, which a store no longer knows
            distances = (np.linalg.norm(one.pose(i), axis=-1) for one in (mapped, prepared))
            np.testing.assert_allclose(*distances, atol=2e-5)
            across = KINECT_V1.x_line(mapped.pose(i)[0, 0])
            assert across[0] == pytest.approx(np.linalg.norm(across))
        else:
            np.testing.assert_allclose(mapped.pose(i), prepared.pose(i), atol=2e-5)


def test_a_joint_is_missing_where_one_that_it_is_made_of_is_missing(tmp_path: Path) -> None:
    coco = LAYOUTS["coco"]
    rest = np.tile(rest_pose(coco) + np.array([0, 0, 3]), (6, 1, 1, 1)).astype(np.float32)
    rest[2, 0, coco.joints.index("ear_left")] = 0
    pose = normalise(nan_where_zero(rest), coco, method=Normalisation.UPRIGHT).pose
    with StoreWriter(
        tmp_path / "coco",
        dataset="c",
        layout=coco,
        class_names=["a"],
        provenance={},
        normalisation=Normalisation.UPRIGHT,
    ) as writer:
        writer.add(Sequence(name="one", label=0, pose=pose))
    map_store(Store.open(tmp_path / "coco"), COMMON, tmp_path / "common")
    head = Store.open(tmp_path / "common").pose(0)[:, 0, 0]
    assert np.flatnonzero(~head.any(axis=-1)).tolist() == [2]
    assert (head[[0, 1, 3, 4, 5], 2] > 0.5).all()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    source = store(tmp_path / "v2", Normalisation.RELEASED)
    with pytest.raises(DataError, match="a new or empty folder"):
        map_store(source, KINECT_V1, tmp_path / "v2")
