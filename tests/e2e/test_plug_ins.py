"""A small package with one plug-in of each kind, used from the commands in a real search, import and evaluation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hico_platform.config.schema import to_mapping
from tests.extras import install
from tests.small import small_config, small_store

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 600
USED = "sampler dice of hico-extras 1.2; scheduler never of hico-extras 1.2; encoder mean of hico-extras 1.2"


def command(site: Path, *words: object, fails: bool = False) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "hico_platform", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{site}"},
    )
    if fails:
        return done.returncode, done.stderr
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_one_of_each(tmp_path: Path) -> None:
    site, home = install(tmp_path / "site"), tmp_path / "home"
    raw = tmp_path / "raw"
    raw.mkdir()
    for seed in range(4):
        (raw / f"r{seed}.num").write_text(str(seed))
    prepared = command(site, "data", "prepare", "--format", "auto", "--raw", raw, "--out", tmp_path / "own", "--json")
    assert prepared["kept"] == 4
    assert "reader numbers of hico-extras 1.2" in (tmp_path / "own" / "store.json").read_text()

    small_store(tmp_path / "store", count=72)
    small_store(tmp_path / "target", count=48, seed=1)
    space = {
        "name": "extras",
        "base": to_mapping(small_config(budget__epochs=1)),
        "search": {"model": {"encoder": {"choice": ["mean", "gru"]}}},
        "points": [{"model": {"encoder": "mean"}}],
        "sampler": {"name": "dice"},
        "scheduler": {"name": "never"},
        "trials": 2,
        "protocol": "odd-subjects",
        "transfer": str(tmp_path / "target"),
        "transfer_protocol": "odd-subjects",
    }
    (tmp_path / "extras.yaml").write_text(json.dumps(space))
    place = ("--data", tmp_path / "store", "--home", home, "--json")
    found = command(site, "search", "--space", tmp_path / "extras.yaml", *place)
    assert found["states"]["complete"] == 2
    status = command(site, "status", "extras", "--home", home, "--json")
    (trial,) = [one for one in status["trials"] if one["values"]["model.encoder"] == "mean"]
    assert "encoder mean of hico-extras 1.2" in (Path(trial["checkpoint"]) / "state.json").read_text()
    facts = subprocess.run(
        [sys.executable, "-c", "import sys, hico_platform as hico\n"
         "print(hico.open_search('extras', home=sys.argv[1])._status().search.facts.more['plug_ins'])", str(home)],
        check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}"},
    )  # fmt: skip
    assert facts.stdout.strip() == USED

    scored = command(
        site,
        "evaluate",
        "--checkpoint",
        trial["checkpoint"],
        "--protocol",
        "odd-subjects",
        "--tasks",
        "chance,knn",
        *place,
    )
    assert scored["entries"][0]["tasks"]["chance"]["scores"]["chance"]["value"] == 0.25
    assert scored["plug_ins"] == "task chance of hico-extras 1.2; encoder mean of hico-extras 1.2"
    (tmp_path / "broken.yaml").write_text(json.dumps({**space, "name": "broken", "sampler": {"name": "wrecked"}}))
    code, errors = command(site, "search", "--space", tmp_path / "broken.yaml", "--dry-run", *place[2:4], fails=True)
    assert code == 2
    assert "sampler wrecked: expected a plug-in that hico-broken 0.1 brings in working order" in errors
    assert "Traceback" not in errors
