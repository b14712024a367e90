"""What a sampler's proposal costs in a large search: seconds of the driver for each trial, and its memory.

    python benchmarks/scale_sampling.py --trials 1000 3000 10000 --samplers random tpe

The studies are those of `scale_reading.py`: finished trials, row by row as a search leaves them. The real ledger opens
one as a resume does and begins further trials, each with a proposal of the sampler, an ending, and what Optuna reads
of the trials before. Each line is a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from benchmarks.scale_reading import RUNGS, make_home
from hico_platform.search.ledger.base import Ending, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from tests.toy import toy_space


def main() -> int:
    """Prints one line for each sampler and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000])
    parser.add_argument("--samplers", nargs="+", default=["random", "tpe"])
    parser.add_argument("--more", type=int, default=10, help="trials that are begun")
    parser.add_argument("--study", help="a study's address: what one line measures")
    arguments = parser.parse_args()
    if arguments.study:
        propose(arguments.study, trials=arguments.trials[0], sampler=arguments.samplers[0], more=arguments.more)
        return 0
    for trials in arguments.trials:
        for sampler in arguments.samplers:
            with tempfile.TemporaryDirectory(prefix="hico-scale-") as folder:
                paths = make_home(Path(folder) / "home", searches=1, trials=trials)
                words = ["--study", paths.storage_url, "--trials", trials, "--samplers", sampler]
                command = [sys.executable, __file__, *words, "--more", arguments.more]
                subprocess.run(list(map(str, command)), check=True)
    return 0


def propose(address: str, *, trials: int, sampler: str, more: int) -> None:
    """Begins and ends ``more`` trials of a study that has ``trials``."""
    began_s = time.process_time()
    ledger = StudyLedger.open(open_storage(address), name="search-00")
    opened_s = time.process_time() - began_s
    space = toy_space(trials=trials + more, epochs=RUNGS[-1], sampler={"name": sampler})
    seconds = []
    for _ in range(more):
        began_s = time.process_time()
        trial = ledger.begin(space, at_s=1.76e9)
        ledger.record_ending(trial.number, Ending(state=TrialState.FAILED, epoch=0, at_s=1.76e9, reason="sampled"))
        seconds.append(time.process_time() - began_s)
    mib = psutil.Process().memory_info().rss / 2**20
    middle = sorted(seconds)[len(seconds) // 2]
    print(
        f"{trials:6} trials, {sampler:7} opened in {opened_s:5.2f} s; a trial {middle:7.4f} s of processor, the first "
        f"{seconds[0]:6.3f} s; {mib:4.0f} MiB",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
