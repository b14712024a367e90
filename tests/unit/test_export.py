from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.overrides
from safetensors.torch import load_file, save_file

from hico_platform.checkpoint import load_checkpoint
from hico_platform.data.importing import import_dataset
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.sequence import MissingJoint, Sequence, nan_where_zero
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter
from hico_platform.errors import CheckpointError, DataError
from hico_platform.evaluate.features import encoder_features
from hico_platform.export import DESCRIPTION, WEIGHTS, Encoder, _load_pyfunc, export_encoder, load_encoder
from hico_platform.trial import Decision, TrainEvalSplit, run_trial
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


def test_an_export_that_names_no_normalisation_has_the_released_one(
    exported: tuple[Path, Store], tmp_path: Path
) -> None:
    shutil.copytree(exported[0] / "encoder", tmp_path / "encoder")
    file = tmp_path / "encoder" / DESCRIPTION
    description = json.loads(file.read_text())
    new = {"normalisation", "missing_joint", "coordinates"}
    assert new <= set(description)
    old = {key: value for key, value in description.items() if key not in new} | {"schema_version": 1}
    file.write_text(json.dumps(old))
    encoder = load_encoder(tmp_path / "encoder")
    assert (encoder.normalisation, encoder.missing_joint) == (Normalisation.RELEASED, MissingJoint.ZERO)
    np.testing.assert_array_equal(
        encoder.features(recordings()), load_encoder(exported[0] / "encoder").features(recordings())
    )
    file.write_text(json.dumps(description | {"normalisation": "sideways"}))
    with pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path / "encoder")
    file.write_text(json.dumps(description | {"schema_version": 3}))
    with pytest.raises(CheckpointError, match="an encoder schema version from 1 to 2, got 3"):
        load_encoder(tmp_path / "encoder")


def test_a_recording_of_nobody_is_refused(exported: tuple[Path, Store]) -> None:
    encoder = load_encoder(exported[0] / "encoder")
    with pytest.raises(DataError, match=r"poses\[0\]: expected a recording that shows at least one joint; leave it"):
        encoder.features([np.full((30, 25, 3), np.nan)])


def test_served_as_mlflow_calls_it(exported: tuple[Path, Store]) -> None:
    served = _load_pyfunc(str(exported[0] / "encoder"))
    assert served.predict(recordings()[:2]).shape[0] == 2


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


def test_torn_folder_is_refused(exported: tuple[Path, Store], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path)
    for file in (exported[0] / "encoder").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:50])
    with pytest.raises(CheckpointError, match="export it again"):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: [],
        lambda plain: {key: value for key, value in plain.items() if key != "config"},
        lambda plain: {**plain, "config": {**plain["config"], "unknown": 1}},
        lambda plain: {**plain, "layout": None},
        lambda plain: {
            **plain,
            "config": {**plain["config"], "model": {**plain["config"]["model"], "hidden_width": 8}},
        },
    ],
    ids=["no object", "no configuration", "an unknown field", "no layout", "weights that do not fit"],
)
def test_a_description_that_is_not_of_the_weights_is_refused(
    exported: tuple[Path, Store], tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    shutil.copytree(exported[0] / "encoder", tmp_path / "encoder")
    description = tmp_path / "encoder" / DESCRIPTION
    description.write_text(json.dumps(change(json.loads(description.read_text()))))
    with pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path / "encoder")


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("model", {"hidden_width": 20_000}),
        ("model", {"hidden_width": 10**30}),
        ("model", {"layers": 10**9}),
        ("model", {"encoder": "transformer", "hidden_width": 20_000, "layers": 2}),
        ("contrast", {"queue_size": 10**9}),
        ("model", {"projection_width": 10**9}),
        ("views", {"frames": 10**9}),
    ],
    ids=lambda value: "-".join(map(str, value.items())) if isinstance(value, dict) else value,
)
def test_no_memory_is_taken_for_what_a_description_asks_for_and_the_weights_are_not(
    exported: tuple[Path, Store], tmp_path: Path, section: str, values: dict[str, object]
) -> None:
    shutil.copytree(exported[0] / "encoder", tmp_path / "encoder")
    file = tmp_path / "encoder" / DESCRIPTION
    description = json.loads(file.read_text())
    description["config"][section].update(values)
    file.write_text(json.dumps(description))
    save_file({"stray": torch.zeros(1)}, tmp_path / "encoder" / WEIGHTS)

    class Watched(torch.overrides.TorchFunctionMode):
        """Refuses every tensor that is made, unless it is one without memory."""

        def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
            options = options or {}
            if function in {torch.empty, torch.empty_like, torch.zeros, torch.randn, torch.ones, torch.full}:
                device = torch.device(options.get("device") or torch.get_default_device())
                assert device.type == "meta", "memory would be taken"
            return function(*arguments, **options)

    with Watched(), pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path / "encoder")


def test_weights_of_another_type_or_with_one_too_many_are_refused(exported: tuple[Path, Store], tmp_path: Path) -> None:
    shutil.copytree(exported[0] / "encoder", tmp_path / "encoder")
    weights = load_file(tmp_path / "encoder" / WEIGHTS)
    name = sorted(weights)[0]
    for other in ({**weights, name: weights[name].double()}, {**weights, "stray": torch.zeros(1)}):
        save_file(other, tmp_path / "encoder" / WEIGHTS)
        with pytest.raises(CheckpointError, match=rf"a whole exported encoder, got .*({name}: F64|stray: F32)"):
            load_encoder(tmp_path / "encoder")


def test_a_description_has_a_bound(exported: tuple[Path, Store], tmp_path: Path) -> None:
    shutil.copytree(exported[0] / "encoder", tmp_path / "encoder")
    file = tmp_path / "encoder" / DESCRIPTION
    file.write_text(json.dumps({**json.loads(file.read_text()), "more": "x" * 2**20}))
    with pytest.raises(CheckpointError, match=f"{DESCRIPTION} has more than 1,048,576 bytes"):
        load_encoder(tmp_path / "encoder")


def test_an_export_that_is_cut_off_leaves_nothing(
    exported: tuple[Path, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = exported
    checkpoint = load_checkpoint(next((folder / "trial").iterdir()))

    def cut_off(*arguments: object, **options: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hico_platform.export.json.dumps", cut_off)
        with pytest.raises(KeyboardInterrupt):
            export_encoder(checkpoint, tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == []
    export_encoder(checkpoint, tmp_path / "encoder")
    assert load_encoder(tmp_path / "encoder").feature_width > 0


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


@pytest.mark.parametrize(
    "change", [*({"coordinates": value} for value in (1, 4, 10**9, "2", None, [2])), {"normalisation": "image"}]
)
def test_an_export_of_other_coordinates_is_refused(
    exported: tuple[Path, Store], tmp_path: Path, change: dict[str, Any]
) -> None:
    for file in (exported[0] / "encoder").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    description = json.loads((tmp_path / DESCRIPTION).read_text())
    (tmp_path / DESCRIPTION).write_text(json.dumps(description | change))
    with pytest.raises(CheckpointError, match="a whole exported encoder"):
        load_encoder(tmp_path)
