"""What MLflow calls: every form of input, every output, and no file that was not allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

from hico_platform.errors import DataError, UsageError
from hico_platform.export.folder import load_encoder
from hico_platform.export.served import FOLDER, Served, _load_pyfunc, as_list
from tests.exported import CLASS_NAMES, small_export, small_recogniser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_export(tmp_path_factory.mktemp("served") / "encoder", recogniser=small_recogniser())


@pytest.fixture(scope="module")
def served(folder: Path) -> Served:
    return _load_pyfunc(str(folder))


def pose(frames: int = 20, bodies: int = 1) -> np.ndarray:
    return np.random.default_rng(frames).normal(size=(frames, bodies, 25, 3))


def test_features_are_the_default(served: Served, folder: Path) -> None:
    expected = load_encoder(folder).features([pose(), pose(30)])
    np.testing.assert_array_equal(served.predict([pose(), pose(30)]), expected)
    np.testing.assert_array_equal(served.predict([pose(), pose(30)], params={}), expected)


def test_neighbours_are_plain(served: Served, folder: Path) -> None:
    found = served.predict([pose()], params={"output": "neighbours", "k": 2})
    (expected,) = load_encoder(folder).neighbours([pose()], k=2)
    assert found == [[{"name": one.name, "label": one.label, "distance": one.distance} for one in expected]]
    assert len(served.predict([pose()], params={"output": "neighbours"})[0]) == 5


def test_probabilities_are_by_class(served: Served, folder: Path) -> None:
    (found,) = served.predict([pose()], params={"output": "probabilities"})
    assert found == dict(zip(CLASS_NAMES, load_encoder(folder).probabilities([pose()])[0].tolist(), strict=True))


def test_every_form_of_a_recording_is_the_same(served: Served) -> None:
    expected = served.predict([pose()])
    one, both = pose(), np.stack([pose(), pose(20)])
    for given in (
        one, one[:, 0], one.astype(np.float32), [one[:, 0]], one[:, 0].tolist(), [one[:, 0].tolist()], [one.tolist()],
        pandas.DataFrame({"recording": [one]}), pandas.Series([one]), (one,),
    ):  # fmt: skip
        np.testing.assert_allclose(served.predict(given), expected, atol=1e-6)
    np.testing.assert_allclose(served.predict(both), np.concatenate([expected, expected]), atol=1e-6)


def test_recordings_of_several_lengths_are_a_list_or_an_array_of_objects(served: Served) -> None:
    several = np.empty(2, object)
    several[:] = [pose(20), pose(31)]
    np.testing.assert_array_equal(served.predict(several), served.predict([pose(20), pose(31)]))
    assert len(as_list([pose(20).tolist(), pose(31).tolist()])) == 2


def test_an_array_of_four_axes_is_one_recording(served: Served) -> None:
    """Not several of one body each: those would be taken for a recording where it is short."""
    with pytest.raises(DataError, match="frames x bodies x 25 joints x 3"):
        served.predict(np.zeros((2, 30, 25, 3)))


def test_another_output_is_refused(served: Served) -> None:
    with pytest.raises(UsageError, match="output: expected one of features, neighbours, probabilities, got 'labels'"):
        served.predict([pose()], params={"output": "labels"})
    with pytest.raises(UsageError, match="k: expected at least 1, got 0"):
        served.predict([pose()], params={"output": "neighbours", "k": 0})


def test_no_file_is_read_unless_a_folder_was_named(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.npy", "secret.npy"):
        np.save(tmp_path / name, pose())
    (tmp_path / "in" / "link.npy").symlink_to(tmp_path / "secret.npy")
    monkeypatch.delenv(FOLDER, raising=False)
    for name in (str(tmp_path / "in" / "a.npy"), "/etc/passwd", "a.npy"):
        with pytest.raises(DataError, match=r"expected an array of joints, .*set HICO_PREDICT_FOLDER"):
            served.predict(name)
    monkeypatch.setenv(FOLDER, str(tmp_path / "in"))
    np.testing.assert_array_equal(served.predict(["a.npy"]), served.predict([pose()]))
    np.testing.assert_array_equal(served.predict(str(tmp_path / "in" / "a.npy")), served.predict([pose()]))
    for name in ("../secret.npy", str(tmp_path / "secret.npy"), "link.npy", "/etc/passwd"):
        with pytest.raises(DataError, match="expected a file in the folder of HICO_PREDICT_FOLDER"):
            served.predict([name])
    with pytest.raises(DataError, match="a file that exists"):
        served.predict(["nothing.npy"])
