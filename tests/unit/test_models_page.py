"""The examples of docs/models.md, as they stand there, on a small model."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pytest

import hico_platform
from hico_platform.cli.main import main
from hico_platform.data.skeleton_file import write_skeleton
from hico_platform.export.description import FILES
from hico_platform.export.folder import load_encoder
from hico_platform.export.served import FOLDER, Served
from tests.exported import CLASS_NAMES, small_export, small_recogniser

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_export(tmp_path_factory.mktemp("page") / "mine", recogniser=small_recogniser())


def pose(frames: int = 20, bodies: int = 1) -> np.ndarray:
    return np.random.default_rng(frames).normal(size=(frames, bodies, 25, 3)).astype(np.float32)


def test_the_python_examples_run_and_give_what_their_comments_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def loaded(source: str) -> Any:
        asked.append(source)
        return load_encoder(folder)

    monkeypatch.setattr(hico_platform, "load_encoder", loaded, raising=False)
    monkeypatch.setattr(mlflow, "pyfunc", SimpleNamespace(load_model=lambda source: Served(loaded(source))))
    own, served = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    names: dict[str, Any] = {"pose": pose(), "other": pose(31)[:, 0]}
    exec(own, names)
    assert (names["features"].shape, str(names["features"].dtype)) == ((2, 128), "float32")
    assert len(names["near"][0]) == 3
    assert {names["near"][0][0].label} <= set(CLASS_NAMES)
    assert (names["shares"].shape, str(names["shares"].dtype)) == ((1, len(CLASS_NAMES)), "float64")
    features = names["features"]
    exec(served, names)
    np.testing.assert_array_equal(names["features"], features)
    assert set(names["near"][0][0]) == {"name", "label", "distance"}
    assert set(names["shares"][0]) == set(CLASS_NAMES)
    assert asked == ["models:/mine@champion"] * 2


def test_the_commands_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine@champion").symlink_to(folder)
    (tmp_path / "recordings").mkdir()
    np.save("waving.npy", pose())
    write_skeleton(tmp_path / "recordings" / "a.skeleton", pose())
    np.savetxt("session.csv", pose().reshape(20, 75), delimiter=",")
    lines = [line.strip() for line in PAGE.splitlines() if line.startswith("    hico-platform predict ")]
    assert len(lines) == 2
    for line in lines:
        words = [str(found) for word in shlex.split(line)[1:] for found in (sorted(tmp_path.glob(word)) or [word])]
        assert main([*words, "--home", str(tmp_path / "home")]) == 0


def test_every_file_and_variable_is_explained() -> None:
    assert all(f"`{name}`" in PAGE for name in (*FILES, FOLDER))
