"""A search on Ray with the toy trial, interrupted in every way, and as a command on the embedded dataset."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import optuna
import pytest

from hico_platform.home import HomePaths, mlflow_uri
from hico_platform.search.drivers import user_name
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.status import search_status
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.mlflow_tracker import MlflowTracker

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300


def start(home: Path, **options: object) -> subprocess.Popen[str]:
    """A driver in a process group of its own, as from a shell."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.driver", str(home), json.dumps(options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, output
    return output


def wait_for_lines(file: Path, count: int) -> list[str]:
    """The toy's log, once it has ``count`` lines."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"{file} did not get {count} lines in {LIMIT_S} s")


def trials_of(home: Path, storage: str | None = None) -> tuple[TrialRecord, ...]:
    url = storage or sqlite_url(home / "study.db")
    return StudyLedger.open(open_storage(url), name="toy", settle=False).trials()


def check_whole(home: Path, *, trials: int, storage: str | None = None, tracking: str | None = None) -> None:
    """All trials over, in the ledger and in Optuna; one run for each, in a final state; every metric once."""
    records = trials_of(home, storage)
    assert [trial.number for trial in records] == list(range(trials))
    assert all(trial.state.is_final for trial in records)
    study = optuna.load_study(study_name="toy", storage=storage or sqlite_url(home / "study.db"))
    assert all(trial.state.is_finished() for trial in study.trials)
    tracker = MlflowTracker(uri=tracking or mlflow_uri(home), artifacts=home / "mlartifacts")
    runs = tracker.runs("toy")
    assert len(runs) == 1 + trials
    assert RunStatus.RUNNING not in {run.status for run in runs.values()}
    for trial in records:
        run = tracker._client.get_run(trial.run_id)
        assert run.data.tags["hico.state"] == str(trial.state)
        history = tracker._client.get_metric_history(trial.run_id, "val/knn_top1")
        reported = [metric.step for metric in sorted(history, key=lambda m: (m.timestamp, m.step))]
        assert reported == list(trial.curve), (
            f"trial {trial.number} reported {list(trial.curve)}; its run has {reported}"
        )
        losses = sorted(metric.step for metric in tracker._client.get_metric_history(trial.run_id, "train/loss"))
        assert losses == list(range(1, trial.epoch + 1))


def kill_session(driver: subprocess.Popen[str]) -> None:
    """SIGKILL for a driver and everything that it started."""
    listing = subprocess.run(["ps", "-ww", "-eo", "pid,sess,ppid"], check=True, capture_output=True, text=True).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()[1:]]
    family = {driver.pid}
    while grown := {pid for pid, session, parent in rows if parent in family or session in family} - family:
        family |= grown
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    driver.wait()


def epochs_trained(lines: Sequence[str], number: int) -> list[int]:
    words = [line.split() for line in lines]
    return [int(word[2]) for word in words if word[0] == str(number) and word[1] == "epoch"]


def ray_processes(driver: int) -> list[str]:
    """Command lines of the processes of the cluster that a driver started, as the leader of a session."""
    listing = subprocess.run(["ps", "-ww", "-eo", "stat,sess,args"], check=True, capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    return [args for stat, session, args in rows if int(session) == driver and not stat.startswith("Z")]


def test_stopped_trials_evaluate_in_their_own_worker_and_its_warnings_are_heard(tmp_path: Path) -> None:
    output = finish(start(tmp_path, trials=6, log=True, warning="no compiler here"))
    assert output.count(": no compiler here") == 1, "once, not for each trial"
    check_whole(tmp_path, trials=6)
    pruned = [trial for trial in trials_of(tmp_path) if trial.state is TrialState.PRUNED]
    assert pruned, "the toy's scores make ASHA stop some"
    words = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    for trial in pruned:
        assert trial.ending is not None
        assert trial.ending.metrics["recognition_top1"] > 0
        assert epochs_trained((tmp_path / "log").read_text().splitlines(), trial.number)[-1] == trial.epoch
        processes = {word[-1] for word in words if word[0] == str(trial.number)}
        assert len(processes) == 1
    assert len({word[-1] for word in words}) <= 2, "workers are kept between trials"


def test_ctrl_c_then_resume(tmp_path: Path) -> None:
    driver = start(tmp_path, trials=4, epoch_s=0.2, log=True)
    wait_for_lines(tmp_path / "log", 3)
    driver.send_signal(signal.SIGINT)
    output, _ = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 130, output
    assert "interrupted" in output
    assert not ray_processes(driver.pid)
    runs = MlflowTracker(uri=mlflow_uri(tmp_path), artifacts=None).runs("toy")
    assert RunStatus.RUNNING not in {run.status for run in runs.values()}
    before = {trial.number: trial.run_id for trial in trials_of(tmp_path)}
    finish(start(tmp_path, trials=4, resume=True, log=True))
    check_whole(tmp_path, trials=4)
    assert before.items() <= {trial.number: trial.run_id for trial in trials_of(tmp_path)}.items()
    lines = (tmp_path / "log").read_text().splitlines()
    for number in before:
        epochs = epochs_trained(lines, number)
        assert len(epochs) <= len(set(epochs)) + 1, "no more than the epoch at work is trained again"


def test_kill_the_driver_then_resume(tmp_path: Path) -> None:
    driver = start(tmp_path, trials=4, epoch_s=0.1, log=True)
    wait_for_lines(tmp_path / "log", 8)
    driver.kill()
    driver.wait()
    finish(start(tmp_path, trials=4, resume=True, log=True))
    check_whole(tmp_path, trials=4)


def test_kill_a_worker(tmp_path: Path) -> None:
    finish(start(tmp_path, trials=3, epoch_s=0.05, kill_once=1, log=True))
    check_whole(tmp_path, trials=3)
    lines = (tmp_path / "log").read_text().splitlines()
    assert len({line.split()[-1] for line in lines if line.startswith("1 ")}) == 2
    assert epochs_trained(lines, 1) == sorted(set(epochs_trained(lines, 1))), "it goes on from its checkpoint"


def test_a_trial_that_always_kills_its_worker(tmp_path: Path) -> None:
    """As one does that takes more memory than there is: it is tried again, then given up, and the search goes on."""
    output = finish(start(tmp_path, trials=3, kill_always=1, log=True, space={"resources": {"cpus": 1, "retries": 1}}))
    assert "trial 1 is handed out again: its process died: " in output
    states = [trial.state for trial in trials_of(tmp_path)]
    assert states[1] is TrialState.FAILED
    assert TrialState.FAILED not in {states[0], states[2]}
    ending = trials_of(tmp_path)[1].ending
    assert ending is not None
    assert ending.reason is not None
    assert ending.reason.endswith("(2 times)")
    check_whole(tmp_path, trials=3)


def test_trials_share_a_gpu_as_its_memory_allows(tmp_path: Path) -> None:
    """Ray is told of one GPU; a trial is said to take 40 of its 100 bytes."""
    need = {"trial_bytes": 39, "context_bytes": 1, "device_bytes": 100, "foreign_bytes": 0}
    resources = {"cpus": 0.5, "gpus": "auto"}
    finish(start(tmp_path, trials=4, epoch_s=0.1, log=True, gpus=1, need=need, space={"resources": resources}))
    check_whole(tmp_path, trials=4)
    status = search_status(HomePaths(home=tmp_path), "toy")
    assert status.cost.gpu_hours == pytest.approx(status.cost.trial_hours / 2)
    words = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert len({word[-1] for word in words}) == 2, "two at once, where four would have CPUs"


def test_kill_the_raylet(tmp_path: Path) -> None:
    driver = start(tmp_path, trials=3, epoch_s=0.15, log=True)
    wait_for_lines(tmp_path / "log", 4)
    listing = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], check=True, capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    (raylet,) = [int(pid) for pid, parent, args in rows if int(parent) == driver.pid and "/raylet/raylet" in args]
    os.kill(raylet, signal.SIGKILL)
    output, _ = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 1, output
    assert "a Ray cluster that lives as long as the search, got 'raylet died'; go on with --resume" in output
    finish(start(tmp_path, trials=3, resume=True, log=True))
    check_whole(tmp_path, trials=3)


def test_a_failing_trial(tmp_path: Path) -> None:
    output = finish(start(tmp_path, trials=4, fail_above=0.18))
    assert "too high for a toy" in output
    check_whole_but_failed = trials_of(tmp_path)
    assert check_whole_but_failed[0].state is TrialState.FAILED
    assert any(trial.state is TrialState.COMPLETE for trial in check_whole_but_failed)
    tracker = MlflowTracker(uri=mlflow_uri(tmp_path), artifacts=None)
    run = tracker._client.get_run(check_whole_but_failed[0].run_id)
    assert run.info.status == "FAILED"
    assert [artifact.path for artifact in tracker._client.list_artifacts(run.info.run_id)] == ["traceback.txt"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    driver = start(small_disk, trials=4, epoch_s=0.15, log=True)
    wait_for_lines(small_disk / "log", 6)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    output, _ = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 1, output
    assert "free space on the disk" in output
    assert "--resume" in output
    assert TrialState.FAILED not in {trial.state for trial in trials_of(small_disk)}
    filler.unlink()
    finish(start(small_disk, trials=4, resume=True, log=True))
    check_whole(small_disk, trials=4)


def test_two_drivers_and_an_extension(tmp_path: Path) -> None:
    first = start(tmp_path, trials=3, epoch_s=1.0, log=True)
    wait_for_lines(tmp_path / "log", 1)
    second = start(tmp_path, trials=3, resume=True)
    output, _ = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 2, output
    assert f"process {first.pid} on" in output
    finish(first)
    check_whole(tmp_path, trials=3)
    finish(start(tmp_path, trials=5, resume=True))
    check_whole(tmp_path, trials=5)


def test_the_cluster_listens_on_loopback_alone(tmp_path: Path) -> None:
    driver = start(tmp_path, trials=2, epoch_s=0.2, log=True)
    wait_for_lines(tmp_path / "log", 2)
    processes = {line.split(maxsplit=1)[0] for line in _pids_of_session(driver.pid)}
    listening = _listening(processes)
    kill_session(driver)
    assert listening
    assert {address for address in listening if not address.startswith("127.")} == set()


def _pids_of_session(leader: int) -> list[str]:
    listing = subprocess.run(["ps", "-ww", "-eo", "pid,sess,args"], check=True, capture_output=True, text=True).stdout
    return [line for line in map(str.strip, listing.splitlines()[1:]) if "ray" in line or line.startswith(f"{leader} ")]


def _listening(pids: set[str]) -> set[str]:
    """Local IPv4 and IPv6 addresses on which these processes listen."""
    sockets = set()
    for pid in pids:
        folder = Path(f"/proc/{pid}/fd")
        try:
            for entry in folder.iterdir():
                target = os.readlink(entry)
                if target.startswith("socket:["):
                    sockets.add(target[8:-1])
        except OSError:
            continue
    found = set()
    for table, width in (("/proc/net/tcp", 8), ("/proc/net/tcp6", 32)):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                raw = bytes.fromhex(fields[1].split(":")[0])
                assert len(fields[1].split(":")[0]) == width
                if width == 8:
                    found.add(".".join(str(byte) for byte in reversed(raw)))
                else:  # ::ffff:127.0.0.1 is loopback too
                    mapped = raw[8:12] == bytes.fromhex("FFFF0000")
                    loopback = raw == bytes(12) + bytes.fromhex("01000000")
                    found.add("127.0.0.1" if (mapped and raw[12] == 1) or loopback else raw.hex())
    return found


def test_as_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hico_platform"]
    options = ["--home", str(tmp_path), "--json"]
    searched = subprocess.run(
        [
            *command,
            "search",
            "--space",
            "level_weights.yaml",
            "--trials",
            "2",
            "--set",
            "budget.epochs=1",
            "--set",
            "evaluation.linear_epochs=2",
            "--set",
            "scheduler.grace_epochs=1",
            *options,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(searched.stdout)
    assert result["trials"] == 2
    assert result["best"]["metrics"].keys() >= {"knn_top1", "recognition_top1", "retrieval_map", "transfer_top1"}
    shown = subprocess.run([*command, "status", "level_weights", *options], capture_output=True, text=True, check=True)
    status = json.loads(shown.stdout)
    assert status["state"] == "finished"
    assert status["counts"]["running"] == 0
    assert status["best"]["run_id"] == result["best"]["run_id"]
    (driver,) = status["drivers"]
    assert (driver["user"], driver["uid"], driver["resumed"]) == (user_name(), os.getuid(), False)
    assert driver["command"].startswith("hico-platform search --space level_weights.yaml --trials 2 --set budget")
    runs = MlflowTracker(uri=mlflow_uri(tmp_path), artifacts=None).runs("level_weights")
    assert [run.tags["mlflow.user"] for run in runs.values()] == [user_name()] * 3
