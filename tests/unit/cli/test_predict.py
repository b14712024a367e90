from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hico_platform.cli.main import main
from hico_platform.export.folder import load_encoder
from tests.exported import CLASS_NAMES, small_export, small_recogniser


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a good recording and a bad one."""
    folder = tmp_path_factory.mktemp("predict")
    small_export(folder / "encoder", recogniser=small_recogniser())
    np.save(folder / "good.npy", np.random.default_rng(0).normal(size=(20, 25, 3)))
    np.save(folder / "bad.npy", np.zeros((3, 4)))
    return folder


def predict(files: Path, *words: str) -> int:
    return main(["predict", "--model", str(files / "encoder"), "--home", str(files / "home"), *words])


def test_classes_and_neighbours_in_words(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(files, str(files / "good.npy"), "--k", "2") == 0
    encoder = load_encoder(files / "encoder")
    pose = np.load(files / "good.npy")
    (row,) = encoder.probabilities([pose])
    order = np.argsort(-row)
    (near,) = encoder.neighbours([pose], k=2)
    assert capsys.readouterr().out.splitlines() == [
        f"{files}/good.npy: " + ", ".join(f"{CLASS_NAMES[index]} {row[index]:.1%}" for index in order),
        *(f"  {each.distance:.4f}  {each.label}  {each.name}" for each in near),
    ]


def test_a_bad_file_is_an_error_and_the_others_are_answered(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(files / name) for name in ("bad.npy", "good.npy", "none.npy")]
    assert predict(files, *names) == 3
    said = capsys.readouterr()
    assert said.out.startswith(names[1])
    assert [line.split(": expected")[0] for line in said.err.splitlines()] == [
        f"error: {names[0]}",
        f"error: {names[2]}",
    ]


def test_lines_of_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(files, str(files / "good.npy"), str(files / "bad.npy"), "--json") == 3
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(good) == {"name", "class", "probabilities", "neighbours"}
    assert good["class"] == max(good["probabilities"], key=good["probabilities"].get)
    assert len(good["neighbours"]) == 5
    assert set(good["neighbours"][0]) == {"name", "label", "distance"}
    assert bad["error"]["file"] == str(files / "bad.npy")


def test_no_home_is_made_for_a_model_in_a_folder(files: Path) -> None:
    assert predict(files, str(files / "good.npy")) == 0
    assert not (files / "home").exists()


def test_no_store_is_made_for_a_model_that_the_home_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "--model", "x@champion", "--home", str(tmp_path), "good.npy"]) == 2
    assert "--model: expected a model of a tracking store, got 'models:/x@champion, and " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_whole_is_wrong_data(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_export(tmp_path / "encoder", recogniser=small_recogniser())
    (tmp_path / "encoder" / "encoder.json").write_text("{")
    assert main(["predict", "--model", str(tmp_path / "encoder"), str(files / "good.npy")]) == 3
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--k", "0"], ["--map", "octopus"], ["--model", "x"]])
def test_wrong_usage_is_exit_code_2(files: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(files, str(files / "good.npy"), *words) == 2
    assert capsys.readouterr().err
