"""A home of version 0.1.0 goes on: its search is resumed and extended, and its best configuration retrained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.old.home import TRIALS, assert_holds, old_home, printed

pytestmark = pytest.mark.e2e

AS_BEFORE = """
import sys
import hico_platform
hico_platform.__version__ = "0.1.0"
from hico_platform.cli.main import main
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


def hico(*words: str, home: Path) -> str:
    """Standard output of a command that takes itself for the version that wrote the home, whose results it has."""
    done = subprocess.run(
        [sys.executable, "-c", AS_BEFORE, *words, "--home", str(home)],
        capture_output=True, text=True, check=False, timeout=600, env={**os.environ, "HICO_COMMIT": "bc41282"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_old_search_goes_on_and_is_retrained(tmp_path: Path) -> None:
    home = old_home(tmp_path / "home")
    before = printed("status", home)["trials"]

    # Its retraining is found: nothing is trained, and the model keeps its version.
    expected = printed("retrain", home)
    again = json.loads(hico("retrain", "small", "--seeds", "1", "--json", home=home))
    expected["facts"]["search_state"] = "interrupted, 6 of 8 trials ended, 1 interrupted"
    assert_holds(again, expected)

    hico("search", "--resume", "--take-over", "--name", "small", "--trials", "8", "--json", home=home)
    status = json.loads(hico("status", "small", "--json", home=home))
    assert status["state"] == "finished"
    assert_holds(status["trials"][:6], before[:6])
    sixth = status["trials"][6]
    assert_holds(sixth, {key: before[6][key] for key in ("number", "origin", "values", "run_id")})
    assert sixth["curve"]["1"] == before[6]["curve"]["1"], "it went on from its checkpoint"
    assert [trial["state"] for trial in status["trials"][6:]] != ["interrupted", "interrupted"]
    assert (home / TRIALS / "0006").is_dir()
    assert not [folder for folder in (home / "searches" / "small").glob("trials-*") if folder.name != Path(TRIALS).name]

    # Another budget is another plan, trained from the old search's best configuration.
    shorter = json.loads(hico("retrain", "small", "--seeds", "1", "--epochs", "1", "--json", home=home))
    assert (shorter["epochs"], shorter["champion"]["version"]) == (1, 2)
