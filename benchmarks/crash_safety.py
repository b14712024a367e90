"""Kills a search again and again at random moments, and checks that nothing is lost or doubled.

    python benchmarks/crash_safety.py --times 20
    python benchmarks/crash_safety.py --times 20 --victim worker   # hang, raylet, folder, sigterm, sighup, disk (root)

Each time a search of 14 trials meets its fate at a random moment:

    driver   SIGKILL of the driver and of its whole Ray cluster; then a resume
    worker   SIGKILL of a worker at work; the search goes on by itself
    hang     SIGSTOP of a worker at work, which hangs from then on; the search kills it and goes on by itself
    raylet   SIGKILL of the cluster's raylet; the driver says so and ends; then a resume
    folder   Ray's session folder vanishes, as a cleaner of /tmp does; the driver says so and ends; then a resume
    disk     the disk (a small tmpfs) fills up; the driver says so and ends; there is room again; then a resume
    sigterm  SIGTERM to the driver, or to all of its processes as Slurm does; exit 130, no run RUNNING; a resume
    sighup   SIGHUP to all of its processes, as a closed terminal does; the same

Checked: no abort, every trial over, one run for each in a final state with every metric once, no RUNNING trial in
the study, no epoch trained twice beyond the last checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.home import mlflow_uri
from hico_platform.search.ray_executor.session_folder import PREFIX
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from tests.e2e import test_search as checks
from tests.e2e.test_signals import family

TRIALS = 14
EPOCH_S = 0.05
DISK = "24m"
SILENCE_MINUTES = 0.1
FOLDER_GONE = " is gone'; go on with --resume"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="number of the first time, to go on with a series")
    parser.add_argument("--victim", choices=list(FATES), default="driver")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failures = 0
    for index in range(arguments.first, arguments.first + arguments.times):
        draw = random.Random(f"{arguments.seed}/{arguments.victim}/{index}")
        began_s = time.monotonic()
        home = Path(tempfile.mkdtemp(prefix="hico-crash-"))
        try:
            with FATES[arguments.victim](home, draw) as at:
                checks.check_whole(home, trials=TRIALS)
                no_epoch_lost(home)
            print(f"{index + 1}: {at}; whole after {time.monotonic() - began_s:.0f} s", flush=True)
            shutil.rmtree(home, ignore_errors=True)
        except Exception as error:
            failures += 1
            print(f"{index + 1}: FAILED {type(error).__name__}: {error} (kept {home})", flush=True)
    print(json.dumps({"victim": arguments.victim, "times": arguments.times, "failures": failures}))
    return 1 if failures else 0


@contextlib.contextmanager
def driver_killed(home: Path, draw: random.Random) -> Iterator[str]:
    driver, lines = begun(home, draw)
    states = trials(home)
    checks.kill_session(driver)
    resume(home)
    yield f"driver killed after {lines} epochs with {len(states)} trials begun"


@contextlib.contextmanager
def worker_killed(home: Path, draw: random.Random) -> Iterator[str]:
    driver, lines = begun(home, draw, least=1)
    workers = {line.split()[-1] for line in read(home / "log")[-4:]}
    for pid in draw.sample(sorted(workers), 1):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    checks.finish(driver)
    yield f"worker killed after {lines} epochs"


@contextlib.contextmanager
def worker_stopped(home: Path, draw: random.Random) -> Iterator[str]:
    driver, lines = begun(home, draw, least=1, space={"resources": {"cpus": 1, "silence_minutes": SILENCE_MINUTES}})
    workers = {line.split()[-1] for line in read(home / "log")[-4:]}
    [pid] = draw.sample(sorted(workers), 1)
    was_there = True
    try:
        os.kill(int(pid), signal.SIGSTOP)
    except ProcessLookupError:
        was_there = False
    output = checks.finish(driver)
    if Path(f"/proc/{pid}").exists():
        raise AssertionError(f"worker {pid} is still there")
    silent = [line for line in output.splitlines() if "goes on from its last checkpoint: it was silent" in line]
    what = "stopped" if was_there else "was gone"
    yield f"worker {what} after {lines} epochs: {len(silent)} of its trials went on"


@contextlib.contextmanager
def raylet_killed(home: Path, draw: random.Random) -> Iterator[str]:
    driver, lines = begun(home, draw, least=1)
    listing = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], check=True, capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    for pid, parent, command in rows:
        if int(parent) == driver.pid and "/raylet/raylet" in command:
            os.kill(int(pid), signal.SIGKILL)
    ended_with(driver, "a Ray cluster that lives as long as the search, got 'raylet died'; go on with --resume")
    resume(home)
    yield f"raylet killed after {lines} epochs"


@contextlib.contextmanager
def folder_removed(home: Path, draw: random.Random) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="h", dir="/tmp") as temporary:  # short, as Ray's sockets want it
        driver, lines = begun(home, draw, least=1, temporary=temporary)
        folders = list(Path(temporary).glob(f"{PREFIX}*"))
        for folder in folders:
            remove(folder)
        began_s = time.monotonic()
        output, _ = driver.communicate(timeout=checks.LIMIT_S)
        took_s = time.monotonic() - began_s
        # A search may have come to its end before its driver looks for the folder again.
        over = driver.returncode == 0 and all(trial.state.is_final for trial in trials(home))
        if not over and (driver.returncode != 1 or FOLDER_GONE not in output):
            raise AssertionError(f"exit code {driver.returncode}: {output[-2000:]}")
        if left := checks.ray_processes(driver.pid):
            raise AssertionError(f"Ray's processes are left: {left}")
    resume(home)
    yield f"session folder removed after {lines} epochs; it ended with {driver.returncode} in {took_s:.1f} s"


@contextlib.contextmanager
def disk_filled(home: Path, draw: random.Random) -> Iterator[str]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(home)], check=True)
    try:
        driver, lines = begun(home, draw, least=1)
        filler = home / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        ended_with(driver, "free space on the disk")
        filler.unlink()
        resume(home)
        yield f"disk full after {lines} epochs"
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


@contextlib.contextmanager
def asked_to_end(number: signal.Signals, home: Path, draw: random.Random) -> Iterator[str]:
    driver, lines = begun(home, draw)
    everyone = number is signal.SIGHUP or draw.random() < 0.5
    for pid in family(driver.pid) if everyone else [driver.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    began_s = time.monotonic()
    output, _ = driver.communicate(timeout=checks.LIMIT_S)
    took_s = time.monotonic() - began_s
    # Before the command heeds signals it ends as any process does, and after its last trial as any search does.
    heeded = (130, 0, -number) if not lines or lines >= 49 else (130, 0)
    if driver.returncode not in heeded:
        raise AssertionError(f"exit code {driver.returncode}: {output[-2000:]}")
    if driver.returncode == 130 and trials(home):
        runs = MlflowTracker(uri=mlflow_uri(home), artifacts=None).runs("toy")
        if RunStatus.RUNNING in {run.status for run in runs.values()}:
            raise AssertionError("a run is RUNNING")
    resume(home)
    whom = "all processes" if everyone else "the driver"
    yield f"{number.name} to {whom} after {lines} epochs; it ended with {driver.returncode} in {took_s:.1f} s"


FATES: dict[str, Callable[[Path, random.Random], contextlib.AbstractContextManager[str]]] = {
    "driver": driver_killed,
    "worker": worker_killed,
    "hang": worker_stopped,
    "raylet": raylet_killed,
    "folder": folder_removed,
    "disk": disk_filled,
    "sigterm": functools.partial(asked_to_end, signal.SIGTERM),
    "sighup": functools.partial(asked_to_end, signal.SIGHUP),
}


def begun(
    home: Path, draw: random.Random, *, least: int = 0, temporary: str | None = None, **options: object
) -> tuple[subprocess.Popen[str], int]:
    """A search at a random moment: after so many epochs of its trials, or, after none, while it starts."""
    with patch.dict(os.environ, {} if temporary is None else {"TMPDIR": temporary}):
        driver = checks.start(home, trials=TRIALS, epoch_s=EPOCH_S, log=True, **options)
    lines = draw.randrange(least, 50)
    while driver.poll() is None and len(read(home / "log")) < lines:
        time.sleep(0.005)
    time.sleep(draw.random() * (8 if not lines else 0.2))
    return driver, lines


def resume(home: Path) -> None:
    checks.finish(checks.start(home, trials=TRIALS, resume=True, epoch_s=EPOCH_S, log=True))


def ended_with(driver: subprocess.Popen[str], words: str) -> None:
    output, _ = driver.communicate(timeout=checks.LIMIT_S)
    if driver.returncode != 1 or words not in output:
        raise AssertionError(f"exit code {driver.returncode}: {output[-2000:]}")


def no_epoch_lost(home: Path) -> None:
    log = read(home / "log")
    for trial in checks.trials_of(home):
        epochs = checks.epochs_trained(log, trial.number)
        again = len(epochs) - len(set(epochs))
        if again > 1:
            raise AssertionError(f"trial {trial.number} trained {again} epochs again: {epochs}")


def remove(folder: Path) -> None:
    """The folder as a whole, though its owner writes in it meanwhile."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def read(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def trials(home: Path) -> tuple:
    try:
        return checks.trials_of(home)
    except Exception:  # killed before there was a study
        return ()


if __name__ == "__main__":
    sys.exit(main())
