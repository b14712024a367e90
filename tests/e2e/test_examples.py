"""The examples as they stand, with budgets of seconds on a small dataset, and the doctests of the Python interface."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import hico_platform as hico
from hico_platform.config.schema import flatten, to_mapping
from tests.small import small_config, small_store
from tests.unit.api.finished import finished_search
from tests.unit.commands.trained import trained_in

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
LIMIT_S = 600
PROTOCOL = "odd-subjects"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small dataset, and one for transfer."""
    folder = tmp_path_factory.mktemp("small")
    small_store(folder / "store", count=72)
    small_store(folder / "target", count=48, seed=1)
    return folder


def tiny(small: Path) -> dict[str, Any]:
    """Settings of a space under which a trial takes a second."""
    config = flatten(small_config(budget__epochs=1))
    varied = ("contrast.level_weights", "contrast.temperature", "contrast.queue_size", "model.encoder", "budget.epochs")
    kept = {name: value for name, value in config.items() if value is not None and not name.startswith(varied)}
    return {
        **kept,
        "search.contrast.queue_size": {"choice": [16, 24]},
        "transfer": str(small / "target"),
        "transfer_protocol": PROTOCOL,
    }


def run_example(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_search_and_retrain(small: Path, tmp_path: Path) -> None:
    settings = [f"--set={name}={json.dumps(value)}" for name, value in tiny(small).items()]
    budget = ["--trials=2", "--epochs=1", "--seeds=1", "--set=scheduler.name=none"]
    place = ["--home", str(tmp_path / "home"), "--data", str(small / "store"), "--protocol", PROTOCOL]
    output = run_example("search_and_retrain.py", *place, *budget, *settings)
    assert "best: trial" in output
    assert "models:/example/1 is the" in output
    assert "features: (1, 128)" in output


def test_own_recordings(tmp_path: Path) -> None:
    output = run_example("own_recordings.py", "--out", str(tmp_path), "--epochs", "2")
    assert "<Recordings of own: 72, 3 classes, kinect-v2>" in output
    assert "knn_top1 " in output
    assert "is nearest to" in output


def test_compare_encoders(small: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in tiny(small).items() if not name.startswith(("search", "transfer"))}
    settings = [f"--set={name}={json.dumps(value)}" for name, value in {**kept, "contrast.queue_size": 24}.items()]
    place = ["--home", str(tmp_path / "home"), "--data", str(small / "store"), "--protocol", PROTOCOL]
    output = run_example("compare_encoders.py", *place, "--epochs", "1", "--encoders", "gru", "transformer", *settings)
    assert "gru" in output.splitlines()[0]
    assert output.count("[") == 8, "an interval for each score of each encoder, trained and untrained"


def test_the_notebook(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HICO_HOME": str(tmp_path / "home"),
        "HICO_EXAMPLE_TRIALS": "2",
        "HICO_EXAMPLE_EPOCHS": "1",
        "HICO_EXAMPLE_DATA": str(small / "store"),
        "HICO_EXAMPLE_PROTOCOL": PROTOCOL,
        "HICO_EXAMPLE_SET": json.dumps({**tiny(small), "scheduler.name": "none"}),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=LIMIT_S, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    tables = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert any("finished, 2 of 2 trials ended" in table for table in tables), "the live table, as it was drawn last"
    assert any("application/vnd.plotly.v1+json" in output.get("data", {}) for output in outputs)
    assert "(4, 128)" in outputs[-1].data["text/plain"]


def test_the_notebook_that_is_kept_has_small_real_outputs() -> None:
    file = EXAMPLES / "quickstart.ipynb"
    assert file.stat().st_size < 200_000
    cells = [cell for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert "finished" in json.dumps(cells)
    assert "/home/" not in json.dumps(cells)


@pytest.mark.parametrize("module", ["search", "datasets", "evaluation", "pretraining"])
def test_the_examples_of_docstrings(module: str, tmp_path: Path) -> None:
    trained = trained_in(tmp_path)
    pose = np.array(small_standing(), np.float32)
    names = {
        "hico": hico,
        "home": finished_search(tmp_path / "home"),
        "folder": tmp_path,
        "data": trained.store.directory,
        "encoder": trained.run("run", model__encoder="gru") if module == "evaluation" else None,
        "tiny": to_mapping(small_config()),
        "pose": pose,
    }
    found = importlib.import_module(f"hico_platform.api.{module}")
    finder, runner = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner()
    tried = 0
    for test in finder.find(found, globs=names):
        tried += runner.run(test).attempted
    assert tried
    assert runner.summarize().failed == 0


def small_standing() -> np.ndarray:
    """A person who stands, 30 frames of 25 joints: the one of examples/own_recordings.py."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        own = importlib.import_module("own_recordings")
    finally:
        sys.path.remove(str(EXAMPLES))
    return own.movement("march", frames=30, speed=0.1, size=1.0, noise=np.random.default_rng(0))
