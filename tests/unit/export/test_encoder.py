from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hico_platform.checkpoint import load_checkpoint
from hico_platform.data.importing import import_dataset
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.sequence import MissingJoint, Sequence, nan_where_zero
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter
from hico_platform.errors import DataError, UsageError
from hico_platform.evaluate.features import encoder_features
from hico_platform.export import Encoder, export_encoder, load_encoder
from hico_platform.trial import Decision, TrainEvalSplit, run_trial
from tests.exported import small_export, small_recogniser
from tests.image_poses import pyskl_2d
from tests.small import small_config

CPU = torch.device("cpu")


def recordings() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [(random.normal(size=(30 + i, 1 + i % 2, 25, 3)) * 0.3 + 1).astype(np.float32) for i in range(16)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store]:
    folder = tmp_path_factory.mktemp("export")
    with StoreWriter(
        folder / "store",
        dataset="small",
        layout=KINECT_V2,
        class_names=["a", "b"],
        provenance={},
        normalisation=Normalisation.RELEASED,
    ) as writer:
        for i, pose in enumerate(recordings()):
            writer.add(Sequence(name=f"S{i}", label=i % 2, pose=normalise(nan_where_zero(pose), KINECT_V2).pose))
    store = Store.open(folder / "store")
    indices = np.arange(len(store))
    outcome = run_trial(
        small_config(budget__epochs=1),
        split=TrainEvalSplit(store=store, train=indices, eval=indices),
        target=None,
        directory=folder / "trial",
        report_epochs=(),
        report=lambda _: Decision.CONTINUE,
        device=CPU,
    )
    export_encoder(load_checkpoint(outcome.checkpoint), folder / "encoder")
    return folder, store


def test_features_of_raw_recordings_equal_those_of_the_store(exported: tuple[Path, Store]) -> None:
    folder, store = exported
    encoder = load_encoder(folder / "encoder")
    split = TrainEvalSplit(store=store, train=np.arange(len(store)), eval=np.arange(len(store)))
    data = split.eval_data(encoder.config, device=CPU)
    trained = load_checkpoint(next((folder / "trial").iterdir()))
    model = Encoder(
        config=encoder.config,
        layout=store.layout,
        weights={
            name.removeprefix("model/query.encoder."): value
            for name, value in trained.tensors.items()
            if name.startswith("model/query.encoder.")
        },
    )
    expected = encoder_features(model._encoder, views=data.views, indices=data.train, centre_crop=0.95)
    got = encoder.features(recordings())
    assert got.shape == (len(store), encoder.feature_width)
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-5)


def test_one_body_may_come_without_its_axis_and_missing_joints_as_nan(exported: tuple[Path, Store]) -> None:
    encoder = load_encoder(exported[0] / "encoder")
    zeros = recordings()[0].copy()
    zeros[3, 0, 7] = 0
    missing = zeros.copy()
    missing[3, 0, 7] = np.nan
    np.testing.assert_array_equal(encoder.features([zeros]), encoder.features([missing[:, 0]]))


@pytest.mark.parametrize("method", [*(each for each in Normalisation if each.coordinates == 3), None])
@pytest.mark.parametrize("missing", MissingJoint)
def test_new_recordings_are_normalised_as_the_training_data_were(
    tmp_path: Path, method: Normalisation | None, missing: MissingJoint
) -> None:
    raw = recordings()[:6]
    raw[0][:, 0, 1] = 0  # a lost centre, or a joint at the origin
    raw[1][4:9, 0, 7] = np.nan if missing is MissingJoint.NAN else 0
    with StoreWriter(
        tmp_path / "store",
        dataset="small",
        layout=KINECT_V2,
        class_names=["a", "b"],
        provenance={},
        normalisation=method,
        missing_joint=missing,
    ) as writer:
        for i, pose in enumerate(raw):
            read = nan_where_zero(pose) if missing is MissingJoint.ZERO else pose
            stored = np.nan_to_num(read) if method is None else normalise(read, KINECT_V2, method=method).pose
            writer.add(Sequence(name=f"S{i}", label=i % 2, pose=stored))
    store = Store.open(tmp_path / "store")
    split = TrainEvalSplit(store=store, train=np.arange(len(store)), eval=np.arange(len(store)))
    outcome = run_trial(
        small_config(budget__epochs=1, budget__batch_size=4),
        split=split,
        target=None,
        directory=tmp_path / "trial",
        report_epochs=(),
        report=lambda _: Decision.CONTINUE,
        device=CPU,
    )
    export_encoder(load_checkpoint(outcome.checkpoint), tmp_path / "encoder")
    encoder = load_encoder(tmp_path / "encoder")
    assert (encoder.normalisation, encoder.missing_joint) == (method, missing)
    data = split.eval_data(encoder.config, device=CPU)
    expected = encoder_features(encoder._encoder, views=data.views, indices=data.train, centre_crop=0.95)
    np.testing.assert_allclose(encoder.features(raw), expected.numpy(), atol=1e-5)


def test_a_recording_of_nobody_is_refused(exported: tuple[Path, Store]) -> None:
    encoder = load_encoder(exported[0] / "encoder")
    with pytest.raises(DataError, match=r"poses\[0\]: expected a recording that shows at least one joint; leave it"):
        encoder.features([np.full((30, 25, 3), np.nan)])


@pytest.mark.parametrize("shape", [(5, 24, 3), (0, 25, 3), (5, 25), (5, 1, 25, 2)])
def test_other_shapes_are_refused(exported: tuple[Path, Store], shape: tuple[int, ...]) -> None:
    encoder = load_encoder(exported[0] / "encoder")
    with pytest.raises(DataError, match=r"poses\[1\]: expected frames x 25 joints x 3.*layout kinect-v2"):
        encoder.features([recordings()[0], np.zeros(shape, dtype=np.float32)])


@pytest.mark.parametrize("shape", [(2, 30, 25, 3), (25, 30, 3), (30, 3, 25)])
def test_axes_in_another_order_are_refused(exported: tuple[Path, Store], shape: tuple[int, ...]) -> None:
    encoder = load_encoder(exported[0] / "encoder")
    with pytest.raises(DataError, match=r"poses\[0\]: expected frames x 25 joints x 3.*give array\.transpose\("):
        encoder.features([np.ones(shape, dtype=np.float32)])


def test_features_of_2d_recordings_equal_those_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(pyskl_2d()))
    import_dataset(tmp_path / "a.pkl", tmp_path / "store", format_name="pyskl")
    store = Store.open(tmp_path / "store")
    indices = np.arange(len(store))
    split = TrainEvalSplit(store=store, train=indices, eval=indices)
    outcome = run_trial(
        small_config(budget__epochs=1), split=split, target=None, directory=tmp_path / "trial", report_epochs=(),
        report=lambda _: Decision.CONTINUE, device=CPU,
    )  # fmt: skip
    export_encoder(load_checkpoint(outcome.checkpoint), tmp_path / "encoder")
    encoder = load_encoder(tmp_path / "encoder")
    assert (encoder.coordinates, encoder.layout.name) == (2, "coco")
    data = split.eval_data(encoder.config, device=CPU)
    expected = encoder_features(encoder._encoder, views=data.views, indices=data.train[:3], centre_crop=0.95)
    annotations: Any = pyskl_2d()["annotations"]
    recorded = [each["keypoint"].swapaxes(0, 1) for each in annotations[:3]]  # (T, M, J, 2), zeros where it is missing
    np.testing.assert_allclose(encoder.features(recorded), expected.numpy(), atol=1e-5)
    larger = [3 * each.astype(np.float32) for each in recorded]  # the same video in a higher resolution
    np.testing.assert_allclose(encoder.features(larger), expected.numpy(), atol=1e-4)
    with pytest.raises(DataError, match=r"frames x 17 joints x 2, or .*bring 2D poses in the layout coco"):
        encoder.features([np.ones((5, 17, 3), np.float32)])


@pytest.mark.parametrize("pose", [[[1.0, 2.0], [3.0]], "waving", [[["a"] * 3] * 25], None], ids=str)
def test_what_is_no_array_of_numbers_is_refused(exported: tuple[Path, Store], pose: Any) -> None:
    with pytest.raises(DataError, match=r"poses\[0\]: expected (an array of numbers|frames x 25 joints)"):
        load_encoder(exported[0] / "encoder").features([pose])


def test_an_infinite_coordinate_is_refused(exported: tuple[Path, Store]) -> None:
    pose = recordings()[0]
    pose[3, 0, 4, 1] = -np.inf
    with pytest.raises(DataError, match=r"poses\[0\]: expected a finite number for every coordinate"):
        load_encoder(exported[0] / "encoder").features([pose])


def test_nested_lists_are_recordings_and_none_a_missing_joint(exported: tuple[Path, Store]) -> None:
    encoder = load_encoder(exported[0] / "encoder")
    pose = recordings()[0].astype(np.float64)
    pose[3, 0, 7] = np.nan
    plain = pose.tolist()
    plain[3][0][7] = [None, None, None]
    np.testing.assert_array_equal(encoder.features([plain]), encoder.features([pose]))


def test_many_recordings_are_encoded_as_each_alone(
    exported: tuple[Path, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_encoder(exported[0] / "encoder")
    expected = np.concatenate([encoder.features([pose]) for pose in recordings()])
    monkeypatch.setattr("hico_platform.export.encoder.BATCH", 5)
    np.testing.assert_allclose(encoder.features(recordings()), expected, atol=1e-6)
    assert encoder.features([]).shape == (0, encoder.feature_width)


def test_features_are_those_of_prepared_poses(exported: tuple[Path, Store]) -> None:
    encoder = load_encoder(exported[0] / "encoder")
    prepared = encoder.prepare(recordings())
    assert prepared.shape == (16, 16, 2, 25, 3)
    assert not prepared[0, :, 1].any(), "the first recording shows one body"
    np.testing.assert_array_equal(encoder.encode(prepared), encoder.features(recordings()))


def test_neighbours_and_probabilities_are_those_of_the_features(tmp_path: Path) -> None:
    recogniser = small_recogniser()
    encoder = load_encoder(small_export(tmp_path / "encoder", recogniser=recogniser))
    features = encoder.features(recordings())
    assert encoder.neighbours(recordings(), k=3) == recogniser.neighbours(features, k=3)
    np.testing.assert_array_equal(encoder.probabilities(recordings()), recogniser.probabilities(features))
    with pytest.raises(UsageError, match="k: expected at least 1, got 0"):
        encoder.neighbours(recordings(), k=0)
