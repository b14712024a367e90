"""Recordings in files, each answered or refused by its own name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hico_platform.build import build_views
from hico_platform.commands.predict import Prediction, model_source, predict_files
from hico_platform.data.importing import import_dataset
from hico_platform.data.readers import ReadOptions
from hico_platform.data.skeleton_file import BodyOrder, write_skeleton
from hico_platform.data.store import Store
from hico_platform.errors import Problem, UsageError
from hico_platform.export.encoder import Encoder
from hico_platform.export.folder import load_encoder
from tests.exported import CLASS_NAMES, small_export, small_recogniser


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(small_export(tmp_path_factory.mktemp("model") / "encoder", recogniser=small_recogniser()))


def pose(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(20, 25, 3)).astype(np.float32)


def test_each_recording_is_answered_and_each_bad_file_named(encoder: Encoder, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pose(0))
    np.save(tmp_path / "b.npy", pose(1)[:, :24])
    np.savez(tmp_path / "c.npz", one=pose(2), two=np.full((3, 25, 3), np.nan), three=pose(3))
    files = [tmp_path / name for name in ("a.npy", "nothing.npy", "b.npy", "c.npz")]
    found = list(predict_files(encoder, files, k=2))
    assert [type(each) for each in found] == [Prediction, Problem, Problem, Prediction, Problem, Prediction]
    problems = [str(each) for each in found if isinstance(each, Problem)]
    assert problems[0].startswith(f"{tmp_path}/nothing.npy: expected a file that exists")
    assert problems[1].startswith(f"{tmp_path}/b.npy: expected frames x 25 joints x 3")
    assert problems[2].startswith(f"{tmp_path}/c.npz:two: expected a recording that shows at least one joint")


def test_the_answer_is_the_encoders(encoder: Encoder, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pose(0))
    (found,) = predict_files(encoder, [tmp_path / "a.npy"], k=2)
    assert isinstance(found, Prediction)
    (row,) = encoder.probabilities([pose(0)])
    assert list(found.probabilities.values()) == sorted(row.tolist(), reverse=True)
    assert found.probabilities == dict(zip(CLASS_NAMES, row.tolist(), strict=True))
    assert found.neighbours == encoder.neighbours([pose(0)], k=2)[0]


def in_changing_order(file: Path) -> None:
    """A recording of two people whose order within a frame changes halfway; their ids stay."""
    random = np.random.default_rng(0)
    people = random.normal(size=(1, 2, 25, 3)) + 0.3 * random.normal(size=(20, 2, 25, 3)) * [[[[1]], [[0.2]]]]
    write_skeleton(file, people.astype(np.float32))
    count, *lines = file.read_text().splitlines()
    frames = [lines[start : start + 55] for start in range(0, len(lines), 55)]  # of 1 + 2 * 27 lines
    for frame in frames[10:]:
        frame[1:] = [*frame[28:], *frame[1:28]]
    file.write_text("\n".join([count, *(line for frame in frames for line in frame)]) + "\n")


@pytest.mark.parametrize("order", BodyOrder)
def test_bodies_are_told_apart_as_in_the_training_data(order: BodyOrder, tmp_path: Path) -> None:
    """What ``data prepare --bodies released`` read is asked by the same order; of older models nobody knows it."""
    file = tmp_path / "S001C001P001R001A001.skeleton"
    in_changing_order(file)
    import_dataset(tmp_path, tmp_path / "store", format_name="ntu60", options=ReadOptions(bodies=order))
    store = Store.open(tmp_path / "store")
    assert store.bodies is order
    facts = {"bodies": store.bodies, "normalisation": store.normalisation}
    model = load_encoder(small_export(tmp_path / "encoder", recogniser=small_recogniser(), facts=facts))
    (found,) = predict_files(model, [file], k=1)
    assert isinstance(found, Prediction)
    expected = model.encode(centre_of(store, model))
    assert list(found.probabilities.values()) == sorted(model.recogniser.probabilities(expected)[0].tolist())[::-1]
    older = load_encoder(small_export(tmp_path / "older", recogniser=small_recogniser()))
    assert older.bodies is BodyOrder.FOLLOWED


def centre_of(store: Store, model: Encoder) -> np.ndarray:
    """What evaluation shows the encoder of a store's sequences, before bones or motion are made of it."""
    views = build_views(model.config.views, store=store, device=torch.device("cpu"))
    return views.centre(torch.arange(len(store)), share=model.config.evaluation.centre_crop).numpy()


def test_a_file_that_may_not_be_read_is_a_problem(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("hico_platform.data.recording_file.read_recordings", denied)
    (found,) = predict_files(encoder, [tmp_path / "a.npy"], k=1)
    said = "expected a file that can be read, got 'Permission denied'; check its path and who may read it"
    assert str(found) == f"{tmp_path}/a.npy: {said}"


def test_an_encoder_alone_answers_nothing(tmp_path: Path) -> None:
    alone = load_encoder(small_export(tmp_path / "encoder"))
    with pytest.raises(UsageError, match="an encoder alone"):
        next(predict_files(alone, [tmp_path / "a.npy"], k=1))


def test_a_model_is_a_folder_or_in_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x@champion").mkdir()
    assert model_source(str(tmp_path)) == tmp_path
    assert model_source("x@champion") == Path("x@champion"), "what lies there is meant"
    assert model_source("y@champion") == "models:/y@champion"
    assert model_source("y/3") == "models:/y/3"
    assert model_source("models:/y@challenger") == "models:/y@challenger"
    for wrong in ("y", "y@", "@champion", "y/latest", "a/b@champion", "nowhere/folder"):
        with pytest.raises(UsageError, match="--model: expected a model as NAME@ALIAS or NAME/VERSION, or its folder"):
            model_source(wrong)
