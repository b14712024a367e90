"""``submit --slurm`` on a real Slurm of this machine: a job whose time is nearly up, and one over two nodes."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.status import SearchStatus, search_status
from tests.e2e.slurm import Node, Slurm, why_not
from tests.e2e.test_cluster import Hosts, hosts

__all__ = ["hosts"]

pytestmark = pytest.mark.e2e

LIMIT_S = 240
SECRET = "planted-by-the-test"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def slurm() -> Iterator[Slurm]:
    missing = why_not()
    if missing is not None:
        pytest.skip(missing)
    folder = Path(tempfile.mkdtemp(prefix="hico-slurm-"))
    try:
        with Slurm(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_space(folder: Path, *, cluster: str, epochs: int) -> Path:
    """Two trials, one after the other, and a job that finds the commands of this environment."""
    programs = folder / "bin"
    programs.mkdir()
    for name, module in (("hico-platform", "hico_platform"), ("ray", "ray.scripts.scripts"), ("python3", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {f"-m {module}" if module else ""} "$@"\n')
        program.chmod(0o755)
    assert main(["data", "synth", "--preset", "tiny", "--out", str(folder / "tiny")]) == 0
    file = folder / "slurm.yaml"
    file.write_text(f"""name: small
base:
  model: {{encoder: lstm, hidden_width: 16}}
  contrast: {{queue_size: 16}}
  views: {{frames: 16}}
  budget: {{epochs: {epochs}, batch_size: 8}}
search:
  contrast.temperature: {{low: 0.05, high: 0.5, log: true}}
scheduler: {{name: none, report_every: 2}}
resources: {{max_concurrent: 1}}
trials: 2
transfer: {folder / "tiny"}
cluster:
  cpus: 1
  hours: 1
  slurm:
    setup: ["export PATH={programs}:$PATH PYTHONPATH={ROOT}"]
{cluster}""")
    return file


def wait_until(what: Callable[[], bool], said: Callable[[], object]) -> None:
    end_s = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < end_s, said()
        time.sleep(0.3)


def status_of(home: Path) -> SearchStatus | None:
    return search_status(HomePaths(home=home), "small") if (home / "study.db").exists() else None


def test_a_job_goes_back_into_the_queue_and_on_where_it_was(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PGPASSWORD", SECRET)
    home = slurm.folder / "home"
    space = write_space(slurm.folder, cluster="", epochs=24)
    words = ["submit", str(space), "--slurm", "--data", str(slurm.folder / "tiny"), "--home", str(home)]
    capsys.readouterr()
    assert main([*words, "--set", "cluster.slurm.partition=nowhere"]) == 2
    assert (
        "sbatch: expected a job that Slurm takes, got 'invalid partition specified: nowhere" in capsys.readouterr().err
    )
    assert main([*words, "--dry-run"]) == 0
    assert "Job 1 to start at" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    number = int(json.loads(capsys.readouterr().out)["job"])
    log = home / "jobs" / f"hico-small-{number}.log"

    def said() -> str:
        return f"{slurm.job(number)}\n{log.read_text() if log.exists() else ''}"

    def reports() -> int:
        found = status_of(home)
        return 0 if found is None else sum(len(trial.curve) for trial in found.trials)

    wait_until(lambda: log.exists() and "trial 0 begins" in log.read_text(), said)
    wait_until(lambda: reports() >= 1, said)
    slurm.run("scancel", "--batch", "--signal=USR1", str(number))  # what Slurm sends before the time limit
    waiting_again = {"Restarts": "1", "JobState": "PENDING"}  # before that a new time to start is overwritten
    wait_until(lambda: waiting_again.items() <= slurm.job(number).items(), said)
    wait_until(lambda: slurm.idle() == len(slurm.nodes), said)  # a job that starts into its own clean-up fails
    before = reports()
    assert 1 <= before < 24, "interrupted in the middle"
    # By itself Slurm waits for two minutes. Within the second in which a node ended the first run it takes the second
    # one's credential, whose time is in whole seconds, for the first one's, which was revoked.
    slurm.run("scontrol", "update", f"JobId={number}", "StartTime=now+4")
    wait_until(lambda: slurm.job(number).get("JobState") in {"COMPLETED", "FAILED"}, said)
    assert slurm.job(number)["JobState"] == "COMPLETED", said()
    status = status_of(home)
    assert status is not None
    assert [trial.state for trial in status.trials] == [TrialState.COMPLETE] * 2
    assert all(list(trial.curve) == list(range(2, 25, 2)) for trial in status.trials), "each report once"
    text = log.read_text()
    assert "run 1 of the search small" in text
    assert "the time is nearly up" in text
    assert "run 2 of the search small" in text
    assert [file.name for file in (home / "jobs").iterdir()] == [log.name], "what a run made for itself is gone"
    assert "hico_trials" in (home / "metrics" / "small.prom").read_text()
    kept = [file for file in slurm.folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert not kept, "a password of the shell that submitted got into the job"


def test_two_nodes_with_a_token_and_certificates(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = why_not()
    if missing is not None:
        pytest.skip(missing)
    names = [hosts.add(), hosts.add()]
    nodes = [
        Node(name=f"h{index}", address=hosts.address(name), prefix=("nsenter", f"--net=/run/netns/{name}"))
        for index, name in enumerate(names)
    ]
    with Slurm(hosts.folder, nodes=nodes) as slurm:
        home = hosts.folder / "home"
        space = write_space(hosts.folder, cluster="  nodes: 2\n", epochs=4)
        words = ["submit", str(space), "--slurm", "--data", str(hosts.folder / "tiny"), "--home", str(home)]
        script = hosts.folder / "job.sbatch"
        assert main([*words, "--set", "resources.max_concurrent=null", "--out", str(script)]) == 0
        (home / "jobs").mkdir(parents=True)
        number = int(slurm.run("sbatch", "--parsable", str(script)))
        log = home / "jobs" / f"hico-small-{number}.log"

        def said() -> str:
            return f"{slurm.job(number)}\n{log.read_text() if log.exists() else ''}"

        wait_until(lambda: bool(list((home / "jobs").glob("job-*/token"))), said)
        modes = {file.name: file.stat().st_mode & 0o777 for file in (home / "jobs" / f"job-{number}").iterdir()}
        assert modes["token"] == 0o600
        assert (home / "jobs" / f"job-{number}").stat().st_mode & 0o777 == 0o700
        wait_until(lambda: slurm.job(number).get("JobState") in {"COMPLETED", "FAILED"}, said)
        assert slurm.job(number)["JobState"] == "COMPLETED", said()
        status = status_of(home)
        assert status is not None
        assert [trial.state for trial in status.trials] == [TrialState.COMPLETE] * 2
        machines = {trial.machine for trial in status.trials}
        assert machines == {"h0", "h1"}, "a trial on each"
        assert [file.name for file in (home / "jobs").iterdir()] == [log.name]
        assert not list(Path("/tmp").glob(f"hico-{number}-*")), "nodes tidied up"
