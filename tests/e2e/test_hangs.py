"""Workers that hang, trials that hold theirs too long, and a machine on which no trial goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.notes import ENDED_BY, EXCLUDED_MACHINES
from tests.e2e.test_search import check_whole, epochs_trained, finish, ray_processes, start, trials_of

pytestmark = pytest.mark.e2e

SILENCE_MINUTES = 0.25
EVERY_EPOCH = {"scheduler": {"name": "none", "report_every": 1}}


def test_a_worker_that_hangs_is_killed_and_its_trial_goes_on(tmp_path: Path) -> None:
    space = EVERY_EPOCH | {"resources": {"cpus": 1, "silence_minutes": SILENCE_MINUTES, "max_failures": 0}}
    driver = start(tmp_path, trials=4, log=True, stop_once=1, space=space)
    output = finish(driver)
    check_whole(tmp_path, trials=4)
    assert all(trial.state is TrialState.COMPLETE for trial in trials_of(tmp_path))
    assert "trial 1 is handed out again: it was silent for" in output
    lines = (tmp_path / "log").read_text().splitlines()
    assert epochs_trained(lines, 1) == list(range(1, 10)), "from its last checkpoint"
    assert len({line.split()[-1] for line in lines if line.startswith("1 ")}) == 2
    assert ray_processes(driver.pid) == []


def test_a_trial_that_holds_its_worker_too_long_fails_by_that_rule(tmp_path: Path) -> None:
    resources = {"cpus": 1, "trial_hours": 8 / 3600, "retries": 1, "silence_minutes": 5}
    output = finish(start(tmp_path, trials=2, stop_always=1, epoch_s=0.1, space=EVERY_EPOCH | {"resources": resources}))
    check_whole(tmp_path, trials=2)
    first, second = trials_of(tmp_path)
    assert first.state is TrialState.COMPLETE
    assert second.state is TrialState.FAILED
    assert second.ending is not None
    assert second.ending.reason is not None
    assert "resources.trial_hours" in second.ending.reason
    assert "(2 times)" in second.ending.reason
    assert "trial 1 is handed out again" in output


def test_hours_end_a_search_whatever_hangs(tmp_path: Path) -> None:
    space = EVERY_EPOCH | {
        "resources": {"cpus": 1, "gpus": 1, "silence_minutes": SILENCE_MINUTES, "max_failures": 0},
        "stop": {"gpu_hours": 2 / 3600},
    }
    finish(start(tmp_path, trials=50, gpus=2, stop_always=0, epoch_s=0.3, space=space))
    trials = trials_of(tmp_path)
    check_whole(tmp_path, trials=len(trials))
    assert len(trials) < 50
    hung = trials[0].ending
    assert hung is not None
    assert hung.reason is not None
    assert "after the time was up" in hung.reason
    ledger = StudyLedger.open(open_storage(sqlite_url(tmp_path / "study.db")), name="toy", settle=False)
    assert "GPU-hours are spent" in ledger.note(ENDED_BY)


CLUSTER = """
import sys
from ray.cluster_utils import Cluster
memory = {"object_store_memory": 80_000_000, "num_cpus": 1}
cluster = Cluster(initialize_head=True, head_node_args=memory)
cluster.add_node(env_vars={"HICO_BAD_MACHINE": "1"}, **memory)
cluster.wait_for_nodes()
print("at", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of two machines, of which one is bad."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], text=True, env=dict(os.environ), **pipes) as process:
        assert process.stdout is not None
        words = next((line.split() for line in process.stdout if line.startswith("at ")), [])
        assert words, "a cluster of two machines on this one"
        yield words[1]
        process.communicate()


def test_a_machine_on_which_no_trial_goes_on_is_left_out(cluster: str, tmp_path: Path) -> None:
    space = EVERY_EPOCH | {"resources": {"cpus": 1, "max_failures": 0, "retries": 0}}
    options = {"epoch_s": 0.3, "bad_where": "HICO_BAD_MACHINE"}  # slow enough that the bad one gets three of them
    output = finish(start(tmp_path, trials=8, log=True, address=cluster, space=space, **options))
    check_whole(tmp_path, trials=8)
    assert all(trial.state is TrialState.COMPLETE for trial in trials_of(tmp_path))
    assert "is excluded: 3 trials in a row" in output
    ledger = StudyLedger.open(open_storage(sqlite_url(tmp_path / "study.db")), name="toy", settle=False)
    left_out = ledger.note(EXCLUDED_MACHINES)
    assert [sorted(found) for found in left_out] == [["at_s", "host", "reason", "trials"]]
    assert left_out[0]["reason"] == "RuntimeError: no CUDA device is there"
    assert len(left_out[0]["trials"]) == 3
