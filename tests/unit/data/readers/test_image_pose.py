"""Poses in images: pyskl files of HRNet keypoints, and manifests of 2D arrays."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.describe import describe
from hico_platform.data.import_report import Report
from hico_platform.data.importing import import_dataset
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.readers import ReadOptions
from hico_platform.data.readers.image_pose import LEAST_SCORE
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.data.verify import verify
from hico_platform.errors import DataError, UsageError
from tests.image_poses import pyskl_2d

COCO = LAYOUTS["coco"]


def prepare(raw: Path, out: Path, format_name: str, **options: Any) -> tuple[Store, Report]:
    report = import_dataset(raw, out, format_name=format_name, accept_implausible=False, **options)
    return Store.open(out), report


def written(path: Path, content: object) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


def test_a_pyskl_file_of_2d_poses_becomes_a_store_of_two_coordinates(tmp_path: Path) -> None:
    content: Any = pyskl_2d()
    store, report = prepare(written(tmp_path / "ntu60_hrnet.pkl", content), tmp_path / "out", "pyskl")
    assert (report.kept, len(report.skipped)) == (48, 0)
    assert (store.dataset, store.coordinates, store.layout) == ("ntu60", 2, COCO)
    assert store.normalisation is Normalisation.IMAGE
    assert verify(store) == []
    assert len(split_store(store, "xsub").open_test(Purpose.COUNTS)) == 24
    annotation = content["annotations"][5]
    raw = annotation["keypoint"].swapaxes(0, 1).astype(np.float32)
    shown = annotation["keypoint_score"].swapaxes(0, 1) > LEAST_SCORE
    expected = normalise(np.where(shown[..., None], raw, np.float32(np.nan)), COCO, method=Normalisation.IMAGE)
    np.testing.assert_array_equal(store.pose(5), expected.pose)
    confidence = store.column("confidence")
    assert confidence is not None
    scores = annotation["keypoint_score"].swapaxes(0, 1)[shown]
    assert confidence[5] == round(scores.mean(dtype=float), 2)
    found = describe(store)
    assert found.tilted == 0
    assert found.body == {}


def test_a_joint_of_low_score_is_missing(tmp_path: Path) -> None:
    content: Any = pyskl_2d()
    content["annotations"][0]["keypoint_score"][0, 3:6, 9] = LEAST_SCORE / 2
    assert content["annotations"][0]["keypoint"][0, 3:6, 9].all()
    store, _ = prepare(written(tmp_path / "a.pkl", content), tmp_path / "out", "pyskl")
    assert not store.pose(0)[3:6, 0, 9].any()


NINE: dict[str, Any] = {"keypoint_score": None, "total_frames": 9}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoint_score": np.ones((1, 5, 17))}, r"\[2\].keypoint_score: expected an array of floats \[1, "),
        ({"keypoint_score": [0.5]}, r"\[2\].keypoint_score: expected an array of floats"),
        ({"keypoint": np.ones((1, 9, 17, 3)), **NINE}, "give a file of 2D poses: these"),
        ({"keypoint": np.ones((1, 9, 18, 2)), **NINE}, "this is coco"),
        ({"keypoint": np.full((1, 9, 17, 2), 3e4), **NINE}, "within 10000 pixels"),
        ({"keypoint": np.full((1, 9, 17, 2), np.inf), **NINE}, "within 10000 pixels"),
        ({"keypoint": None, "raw_file": "k400/0.pkl"}, "as pyskl's DecompressPose reads them"),
    ],
)  # fmt: skip
def test_a_bad_annotation_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    content: Any = pyskl_2d()
    content["annotations"][2] |= change
    _, report = prepare(written(tmp_path / "a.pkl", content), tmp_path / "out", "pyskl")
    assert report.kept == 47
    (problem,) = report.skipped
    with pytest.raises(DataError, match=message):
        raise DataError(problem)


def test_scores_as_a_third_coordinate_are_read_where_the_user_says_so(tmp_path: Path) -> None:
    content: Any = pyskl_2d()
    plain, _ = prepare(written(tmp_path / "a.pkl", content), tmp_path / "plain", "pyskl")
    for annotation in content["annotations"]:
        score = annotation.pop("keypoint_score")
        annotation["keypoint"] = np.concatenate([annotation["keypoint"], score[..., None]], axis=-1)
    raw = written(tmp_path / "b.pkl", content)
    store, _ = prepare(raw, tmp_path / "out", "pyskl", options=ReadOptions(coordinates=2))
    np.testing.assert_array_equal(store.pose(7), plain.pose(7))
    np.testing.assert_array_equal(store.column("confidence"), plain.column("confidence"))
    with pytest.raises(DataError):  # taken for x, y, z
        prepare(raw, tmp_path / "other", "pyskl", options=ReadOptions(layout=COCO))


def manifest(folder: Path, *, scored: bool) -> Path:
    content: Any = pyskl_2d()
    rows = ["path,label,subject"]
    for i, annotation in enumerate(content["annotations"][:4]):
        pose = annotation["keypoint"].swapaxes(0, 1).astype(np.float32)
        score = annotation["keypoint_score"].swapaxes(0, 1).astype(np.float32)
        pose = np.where((score > LEAST_SCORE)[..., None], pose, np.float32(np.nan))
        np.save(folder / f"{i}.npy", np.concatenate([pose, score[..., None]], axis=-1) if scored else pose)
        rows.append(f"{i}.npy,{annotation['label']},{i}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.mark.parametrize("scored", [False, True])
def test_a_manifest_of_2d_arrays(tmp_path: Path, scored: bool) -> None:
    options = ReadOptions(layout=COCO, coordinates=2)
    store, report = prepare(manifest(tmp_path, scored=scored), tmp_path / "out", "manifest", options=options)
    assert (report.kept, store.coordinates, store.normalisation) == (4, 2, Normalisation.IMAGE)
    reference, _ = prepare(written(tmp_path / "a.pkl", pyskl_2d()), tmp_path / "reference", "pyskl")
    np.testing.assert_array_equal(store.pose(2), reference.pose(2))
    assert ("confidence" in store.columns) is scored


def test_without_the_option_2d_arrays_are_refused_with_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give --coordinates 2, and --layout: these are 2D"):
        prepare(manifest(tmp_path, scored=False), tmp_path / "out", "manifest", options=ReadOptions(layout=COCO))


@pytest.mark.parametrize(("coordinates", "method"), [(2, Normalisation.YAW), (3, Normalisation.IMAGE)])
def test_a_normalisation_for_other_poses_is_refused(tmp_path: Path, coordinates: int, method: Normalisation) -> None:
    options = ReadOptions(layout=COCO, coordinates=coordinates, normalisation=method)
    with pytest.raises(UsageError, match=f"normalisation: expected one for {coordinates}D poses, .*; leave it out"):
        prepare(manifest(tmp_path, scored=False), tmp_path / "out", "manifest", options=options)
