"""The main job from end to end on small data: search, retrain, registry; cut off and taken up again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

import hico_platform
from tests.modes import can_be_entered, entries, open_to

pytestmark = pytest.mark.e2e

SMALL = (
    "base.model.hidden_width=16", "base.views.frames=16", "base.budget.epochs=3", "base.budget.batch_size=8",
    "base.contrast.queue_size=32", "base.evaluation.linear_epochs=5", "scheduler.grace_epochs=1",
)  # fmt: skip

# The code's version enters what a retraining keeps, and a checkout may move on while the tests run.
ENVIRONMENT = {**os.environ, "HICO_COMMIT": "tested", "PYTHONUNBUFFERED": "1"}


def hico(*words: str, home: Path, check: bool = True, umask: int = -1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hico_platform", *words, "--home", str(home)],
        capture_output=True, text=True, check=check, timeout=300, env=ENVIRONMENT, umask=umask,
    )  # fmt: skip


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a finished search of four trials on a tiny dataset.

    While it runs, nothing that it or Ray writes is open to other accounts, whatever the umask.
    """
    folder = tmp_path_factory.mktemp("searched")
    home, tiny = folder / "home", folder / "tiny"
    hico("data", "synth", "--preset", "tiny", "--out", str(tiny), home=home)
    settings = [word for value in SMALL for word in ("--set", value)]
    found: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="h", dir="/tmp") as temporary:  # short, as Ray's sockets want it
        driver = subprocess.Popen(
            [
                *(sys.executable, "-m", "hico_platform", "search", "--space", "level_weights.yaml", "--name", "small"),
                *("--data", str(tiny), "--trials", "4", *settings, "--json", "--home", str(home)),
            ],
            stdout=subprocess.PIPE, text=True, env={**ENVIRONMENT, "TMPDIR": temporary}, umask=0,
        )  # fmt: skip
        while driver.poll() is None:
            found |= open_to(0o077, home) | can_be_entered(Path(temporary))
            time.sleep(0.2)
        assert driver.stdout is not None
        assert json.loads(driver.stdout.read())
    assert found | open_to(0o077, home) == set()
    assert {home / "study.db", home / "mlflow.db"} <= {path for path, _ in entries(home)}
    return home


ELSEWHERE = """
import sys, tempfile
sys.path += sys.argv[3:]
import mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/small@challenger")
import hico_platform
assert "/code/" in hico_platform.__file__, hico_platform.__file__
poses = [np.load(sys.argv[2])]
np.save(sys.argv[2] + ".out.npy", model.predict(poses))
near = model.predict(poses, params={"output": "neighbours", "k": 3})[0]
(likely,) = model.predict(model.input_example, params={"output": "probabilities"})
assert len(near) == 3 and {each["label"] for each in near} <= set(likely), (near, likely)
from hico_platform.ops.cpu.library import kernels, _compiler
assert (kernels() is None) == (_compiler() is None), "they are compiled from the sources in the model"
"""


def elsewhere(home: Path, pose: np.ndarray) -> np.ndarray:
    """What the registered model makes of a pose where its requirements are installed and this project is not."""
    file = home / "pose.npy"
    np.save(file, pose)
    project = Path(hico_platform.__file__).parents[1]
    packages = [each for each in sys.path if each.endswith("site-packages") and Path(each) != project]
    # -I and -S: neither the folder, nor the environment, nor links to a project (.pth) lead to this one.
    command = [sys.executable, "-I", "-S", "-c", ELSEWHERE, f"sqlite:///{home / 'mlflow.db'}", str(file), *packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    return np.asarray(np.load(f"{file}.out.npy"))


def test_retrain_reports_every_entry_and_registers_a_model_that_loads(
    searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = hico("retrain", "small", "--seeds", "2", "--json", "--shared", home=searched, umask=0)
    assert f"{searched}: its group ({searched.group()}) may read all of it from now on" in done.stderr
    check_shared(searched)
    report = json.loads(done.stdout)
    assert set(report["summary"]) == {"raw pose", "untrained", "released", "best"}
    assert report["summary"]["best"]["knn_top1"]["seeds"] == 2
    assert report["facts"]["split"] == "test"
    assert len(report["facts"]["data_digest"]) == 64

    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # set_tracking_uri sets it for the whole process; undone at the end
    mlflow.set_tracking_uri(f"sqlite:///{searched / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    # Two persons in the test split can show nothing.
    assert (report["persons"], report["champion"]["alias"]) == (2, "challenger")
    assert "2 persons are too few to show any difference" in report["champion"]["why"]
    version = client.get_model_version_by_alias("small", "challenger")
    assert int(version.version) == report["champion"]["version"] == 1
    assert f"over 2 seeds. N{report['champion']['why'][1:]}.\n" in version.description
    for name in ("knn_mean", "linear_regularised_top1", "retrieval_map"):
        assert {entry for entry, row in report["summary"].items() if "low" in row[name]} == set(report["summary"])
    assert {entry: len(found) for entry, found in report["differences"].items()} == {
        "released": 4, "untrained": 4, "raw pose": 4,
    }  # fmt: skip
    pose = np.random.default_rng(0).normal(size=(40, 25, 3))
    features = hico_platform.load_encoder("models:/small@challenger", tracking=f"sqlite:///{searched / 'mlflow.db'}")
    expected = features.features([pose])
    assert expected.shape == (1, 2 * 4 * 16)
    np.testing.assert_array_equal(mlflow.pyfunc.load_model("models:/small@challenger").predict([pose]), expected)
    np.testing.assert_array_equal(elsewhere(searched, pose), expected)
    assert features.probabilities([pose]).shape == (1, len(features.class_names))
    assert features.recogniser.sequences == int(report["facts"]["train_sequences"])
    assert "## Lineage" in version.description

    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    assert all(run.info.status == "FINISHED" for run in runs)
    kinds = [run.data.tags.get("hico.kind") for run in runs]
    assert (kinds.count("search"), kinds.count("trial")) == (1, 4)
    assert (kinds.count("final"), kinds.count("final run")) == (1, 7)
    tested = [run for run in runs if "test/knn_top1" in run.data.metrics]
    assert {run.data.tags["hico.kind"] for run in tested} == {"final run"}, "trials never see the test split"

    again = json.loads(hico("retrain", "small", "--seeds", "2", "--json", home=searched).stdout)
    assert again == report, "a second call finds everything done"


def check_shared(home: Path) -> None:
    """Its group may read all of it, what was there before and what is new, and write nothing; others may do nothing."""
    assert open_to(0o027, home) == set()
    closed = {f"{path} {mode:o}" for path, mode in entries(home) if mode & 0o050 != mode >> 3 & 0o050}
    assert closed == set()
    assert {path for path, mode in entries(home) if path.is_dir() and not mode & 0o2000} == set()


def await_report(final: Path, *words: str, driver: subprocess.Popen[str], seconds: float = 120) -> None:
    """Waits until the log of a retraining that has just begun has a line with all of the words."""
    log = final / "retrain.log"
    before = log.stat().st_size if log.exists() else 0
    deadline = time.monotonic() + seconds
    while driver.poll() is None and time.monotonic() < deadline:
        lines = log.read_text()[before:].splitlines() if log.exists() else []
        if any(all(word in line for word in words) for line in lines):
            return
        time.sleep(0.02)
    raise AssertionError(f"expected a line with {words} in {log}; the command's exit code: {driver.poll()}")


def test_interrupted_retraining_exits_130_and_goes_on_from_its_checkpoints(searched: Path) -> None:
    words = [sys.executable, "-m", "hico_platform", "retrain", "small", "--seeds", "1", "--epochs", "100"]
    driver = subprocess.Popen(
        [*words, "--home", str(searched)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=ENVIRONMENT,
    )  # fmt: skip
    final = searched / "searches" / "small" / "final"
    await_report(final, "epoch 20 of 100", driver=driver)
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=120)
    assert driver.returncode == 130
    assert list(final.glob("*/best-seed-0/epoch-*")), "checkpoints are kept"
    before = (final / "retrain.log").stat().st_size
    done = hico("retrain", "small", "--seeds", "1", "--epochs", "100", home=searched)
    assert "best configuration" in done.stdout
    log = (final / "retrain.log").read_text()[before:]
    epochs = [int(found) for found in re.findall(r"best configuration, seed 0: epoch (\d+) of 100", log)]
    assert min(epoch for epoch in epochs if epoch) >= 20, "it went on from its checkpoint"


def test_candidates_are_compared_on_validation_and_go_on_after_kills_in_either_stage(searched: Path) -> None:
    words = ["retrain", "small", "--seeds", "1", "--epochs", "40", "--candidates", "2"]
    final = searched / "searches" / "small" / "final"
    known = set(final.glob("*/best-seed-0"))

    def killed_at(begun: str) -> None:
        """SIGKILL once a run of the kind ``begun`` has trained some epochs; its workers end with it."""
        driver = subprocess.Popen(
            [sys.executable, "-m", "hico_platform", *words, "--home", str(searched)],
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True, env=ENVIRONMENT,
        )  # fmt: skip
        await_report(final, begun, "epoch 10 of 40", driver=driver)
        driver.kill()
        assert driver.wait() == -signal.SIGKILL

    killed_at("candidate, trial")
    assert not set(final.glob("*/best-seed-0")) - known, "the test split is not looked at yet"
    killed_at("best configuration")
    results = {file: file.read_bytes() for file in final.glob("candidates/*/result.json")}
    assert len(results) == 2
    report = json.loads(hico(*words, "--json", home=searched).stdout)
    assert {file: file.read_bytes() for file in final.glob("candidates/*/result.json")} == results
    scores = {one["trial"]: one["mean"] for one in report["candidates"]}
    (chosen,) = [one["trial"] for one in report["candidates"] if one["chosen"]]
    assert scores[chosen] == max(scores.values())
    assert report["facts"]["trial"] == str(chosen)

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{searched / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    validated = [run for run in runs if run.data.tags["hico.kind"] == "candidate"]
    assert {(run.data.tags["hico.split"], run.info.status) for run in validated} == {("val", "FINISHED")}
    assert {int(run.data.tags["hico.trial"]): run.data.metrics["val/knn_top1"] for run in validated} == scores
    assert not [name for run in validated for name in run.data.metrics if name.startswith("test")]
    (parent,) = {run.data.tags["mlflow.parentRunId"] for run in validated}
    tested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent and run not in validated]
    assert sorted(run.data.tags["hico.entry"] for run in tested) == ["best", "raw pose", "released", "untrained"]
    assert client.get_run(parent).data.tags["hico.verdict"].startswith("Not better beyond noise")


def test_an_unknown_search_is_a_usage_error(tmp_path: Path) -> None:
    done = hico("retrain", "nothing", home=tmp_path, check=False)
    assert done.returncode == 2
    assert "start a search first, or name its home" in done.stderr
    both = hico("retrain", "nothing", "--config", "x.yaml", home=tmp_path, check=False)
    assert both.returncode == 2
    assert "expected the name of a search or --config FILE" in both.stderr
