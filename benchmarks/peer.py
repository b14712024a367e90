"""The released implementation as a peer: loading its folder, and running pairs of workers in turns.

It is not part of this repository. To obtain it:

    git clone https://github.com/HuiGuanLab/HiCo released

and give the folder as ``--released released``.
"""

from __future__ import annotations

import contextlib
import io
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch


@contextlib.contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """The released modules, importable, silent, and on the CPU where there is no GPU: they call .cuda() as they go."""
    if not (folder / "hico" / "builder.py").is_file():
        raise SystemExit(f"{folder} is not the released implementation: git clone https://github.com/HuiGuanLab/HiCo")
    sys.path.insert(0, str(folder))
    if not torch.cuda.is_available():
        torch.Tensor.cuda = lambda tensor, *args, **kwargs: tensor  # type: ignore[method-assign]
        torch.nn.Module.cuda = lambda module, *args, **kwargs: module  # type: ignore[method-assign]
    with contextlib.redirect_stdout(io.StringIO()):
        yield


class Worker:
    """A process of this benchmark that waits for a word, runs a few rounds and says how long they took."""

    def __init__(self, script: str, options: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, script, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=None if environment is None else dict(environment),
        )

    def seconds(self, rounds: int) -> float:
        """Seconds a round, of ``rounds`` in a row."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{rounds}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("a worker died; its error is above")
        return float(json.loads(answer))

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def serve(timed: Callable[[int], float]) -> None:
    """The worker's side: answers each number of rounds with the seconds of one."""
    for line in sys.stdin:
        print(json.dumps(timed(int(line))), flush=True)


def paired(ours: Worker, peer: Worker, *, rounds: int, pairs: int) -> dict[str, float]:
    """Both in turns, each alone on the machine: median seconds of each, and the median of the pairs' ratios."""
    for worker in (ours, peer):
        worker.seconds(2)  # warms up
    mine, theirs = [], []
    for pair in range(pairs):
        # The order alternates, so that a drift of the machine favours neither.
        for worker, taken in ((ours, mine), (peer, theirs))[:: 1 if pair % 2 else -1]:
            taken.append(worker.seconds(rounds))
    ratios = [peer_s / ours_s for ours_s, peer_s in zip(mine, theirs, strict=True)]
    return {
        "ours_s": statistics.median(mine),
        "peer_s": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "pairs": pairs,
    }
