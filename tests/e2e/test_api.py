"""The Python interface from scripts: a search on Ray with its retraining, interrupted and resumed, and the examples."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small import small_config, small_store

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300
SCRIPT = """
import json, sys
import hico_platform as hico

given = json.loads(sys.argv[1])
seen = []


def note(event):
    print(type(event).__name__, flush=True)
    seen.append(event)


search = hico.search(progress=note, **given)
print(json.dumps({"state": search.state, "scores": search.trials.score.tolist(), "best": search.best.trial}))
if given.get("resume"):
    result = hico.retrain(search, seeds=1, epochs=1)
    table = result.table.query("entry == 'best' and metric == 'knn_top1'").iloc[0]
    pose = hico.load_dataset(given["data"], protocol="odd-subjects").train[0].pose
    print(
        json.dumps(
            {
                "model": result.model,
                "alias": result.alias,
                "knn_top1": table["mean"],
                "low": table["low"],
                "reason": result.reason,
                "features": result.encoder().features([pose]).shape,
                "by_name": hico.load_encoder(result.model, home=given["home"]).feature_width,
                "html": "best" in result._repr_html_(),
            }
        )
    )
"""


@pytest.fixture
def given(tmp_path: Path) -> dict:
    """A search of a few seconds; its home is new."""
    from hico_platform.config.schema import to_mapping

    small_store(tmp_path / "store", count=72)
    small_store(tmp_path / "target", count=48, seed=1)
    return {
        "space": {
            "name": "tiny",
            "base": to_mapping(small_config(budget__epochs=2)),
            "search": {
                "contrast.temperature": {"low": 0.05, "high": 0.5, "log": True},
                "contrast.level_weights": {"simplex": ["clip", "part", "domain", "instance"], "sum": 4},
            },
            "trials": 3,
            "scheduler": {"name": "none"},
            "protocol": "odd-subjects",
            "transfer": str(tmp_path / "target"),
            "transfer_protocol": "odd-subjects",
        },
        "data": str(tmp_path / "store"),
        "home": str(tmp_path / "home"),
    }


def start(script: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip


def test_a_search_is_interrupted_resumed_and_retrained(given: dict, tmp_path: Path) -> None:
    process = start(SCRIPT, json.dumps(given), cwd=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("TrialReported"):
            break
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=LIMIT_S)
    if process.returncode:  # else it was over before the signal came
        assert "KeyboardInterrupt" in errors
        assert process.returncode in (1, 130, -signal.SIGINT)
    process = start(SCRIPT, json.dumps({**given, "resume": True}), cwd=tmp_path)
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    search, result = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    assert (search["state"], len(search["scores"])) == ("finished", 3)
    assert search["scores"][search["best"]] == max(search["scores"])
    assert result["model"] == "models:/tiny/1"
    assert result["alias"] in ("champion", "challenger")
    assert 0 <= result["low"] <= result["knn_top1"]
    assert (result["features"], result["by_name"], result["html"]) == ([1, 128], 128, True)
    assert result["reason"].endswith(".")
