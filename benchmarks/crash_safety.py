"""Kills a search again and again at random moments, and checks that nothing is lost or doubled.

    python benchmarks/crash_safety.py --times 20

Each time: SIGKILL of the driver and of its whole Ray cluster at a random moment of a search of 14 trials, then
a resume. Checked: no abort, every trial over, one run for each in a final state, no RUNNING trial in the study,
no epoch trained twice beyond the last checkpoint, decisions as recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e import test_search as checks

TRIALS = 14


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    failures = 0
    for index in range(arguments.times):
        home = Path(tempfile.mkdtemp(prefix="hico-crash-"))
        began_s = time.monotonic()
        try:
            at = kill_and_resume(home, draw)
            print(f"{index + 1}: killed {at}; whole after {time.monotonic() - began_s:.0f} s", flush=True)
            shutil.rmtree(home)
        except Exception as error:
            failures += 1
            print(f"{index + 1}: FAILED {type(error).__name__}: {error} (kept {home})", flush=True)
    print(json.dumps({"times": arguments.times, "failures": failures}))
    return 1 if failures else 0


def kill_and_resume(home: Path, draw: random.Random) -> str:
    driver = checks.start(home, trials=TRIALS, epoch_s=0.05, log=True)
    lines = draw.randrange(0, 50)
    if lines:
        while driver.poll() is None and len(read(home / "log")) < lines:
            time.sleep(0.005)
    time.sleep(draw.random() * (8 if not lines else 0.2))
    states = [trial.state for trial in trials(home)]
    kill_session(driver.pid)
    driver.wait()
    checks.finish(checks.start(home, trials=TRIALS, resume=True, epoch_s=0.05, log=True))
    checks.check_whole(home, trials=TRIALS)
    log = read(home / "log")
    for trial in checks.trials_of(home):
        epochs = checks.epochs_trained(log, trial.number)
        again = len(epochs) - len(set(epochs))
        if again > 1:
            raise AssertionError(f"trial {trial.number} trained {again} epochs again: {epochs}")
    return f"after {lines} epochs with {len(states)} trials begun"


def kill_session(leader: int) -> None:
    """SIGKILL for the driver and everything that it started."""
    listing = subprocess.run(["ps", "-ww", "-eo", "pid,sess,ppid"], check=True, capture_output=True, text=True).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()[1:]]
    family = {leader}
    while grown := {pid for pid, session, parent in rows if parent in family or session in family} - family:
        family |= grown
    for pid in family:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def read(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def trials(home: Path) -> tuple:
    try:
        return checks.trials_of(home)
    except Exception:  # killed before there was a study
        return ()


if __name__ == "__main__":
    sys.exit(main())
