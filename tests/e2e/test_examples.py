"""The examples with budgets of seconds, and the examples of the Python interface's docstrings."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

import hico_platform as hico
from hico_platform.config.schema import to_mapping
from tests.small import small_config
from tests.unit.api.finished import finished_search
from tests.unit.commands.trained import trained_in

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
LIMIT_S = 600


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


def test_own_recordings(tmp_path: Path) -> None:
    output = run_example("own_recordings.py", "--out", str(tmp_path), "--epochs", "2")
    assert "<Recordings of own: 72, 3 classes, kinect-v2>" in output
    assert "knn_top1 " in output
    assert "is nearest to" in output


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
