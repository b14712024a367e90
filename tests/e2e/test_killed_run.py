"""A pretraining killed again and again, with SIGKILL, ends bit for bit as one that was let alone."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint
from hico_platform.enums import Decision, EncoderType
from hico_platform.search.execution import ClusterOptions, TrialExecution
from hico_platform.search.messages import EpochReport, ReportFunction, TrialFailure, TrialOutcome
from hico_platform.search.task import TrialTask
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData, run_task
from tests.small import small_config, small_store

pytestmark = pytest.mark.e2e
EPOCHS = 14
_RUN = """
import json, sys
from pathlib import Path
import torch
from hico_platform.data.store import Store
from hico_platform.trial import run_trial
from hico_platform.enums import Decision
from tests.small import small_config, small_split

torch.set_num_threads(1)
store, directory, encoder, epochs = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
outcome = run_trial(
    small_config(model__encoder=encoder, budget__epochs=epochs),
    split=small_split(Store.open(store)),
    target=None,
    directory=directory,
    report_epochs=range(1, epochs + 1),
    report=lambda said: Decision.CONTINUE,
    device=torch.device("cpu"),
)
print(json.dumps([str(outcome.checkpoint), outcome.metrics]))
"""


def start(store: Path, directory: Path, encoder: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, str(store), str(directory), encoder, str(EPOCHS)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )


def newest(directory: Path) -> str:
    return max((path.name for path in directory.glob("epoch-*")), default="")


@pytest.mark.parametrize("encoder", EncoderType)
def test_killed_and_resumed_equals_straight_through(encoder: str, tmp_path: Path) -> None:
    small_store(tmp_path / "store")
    straight = start(tmp_path / "store", tmp_path / "straight", encoder)
    expected = json.loads(straight.communicate(timeout=300)[0])
    moments = random.Random(encoder)
    kills = 0
    while True:
        process = start(tmp_path / "store", tmp_path / "killed", encoder)
        if kills == 3:
            break
        before = newest(tmp_path / "killed")
        while newest(tmp_path / "killed") == before:  # it has gone on
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        if process.wait() != -signal.SIGKILL:
            break
        kills += 1
    found = json.loads(process.communicate(timeout=300)[0])
    assert kills == 3
    assert found[1] == expected[1]
    ends = [load_checkpoint(Path(path)) for path, _ in (expected, found)]
    assert ends[0].epoch == ends[1].epoch == EPOCHS
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    for name, tensor in ends[0].tensors.items():
        assert torch.equal(tensor, ends[1].tensors[name]), name


class OneTask:
    """Hands out one task until it ends, and notes what becomes of it."""

    time_is_up = is_stopped = is_waiting = False

    def look(self, *, now: bool = False) -> None:
        """Nobody asks for anything."""

    def is_held(self, number: int) -> bool:
        return False

    def paused(self, number: int) -> None:
        raise AssertionError("nobody asked for it")

    def __init__(self, task: TrialTask) -> None:
        self._waiting: list[TrialTask] = [task]
        self._task = task
        self.notes: list[str] = []
        self.outcome: TrialOutcome | None = None

    @property
    def tasks_running(self) -> int:
        return int(not self._waiting and self.outcome is None)

    def next_task(self) -> TrialTask | None:
        return self._waiting.pop() if self._waiting else None

    def reported(self, number: int, report: EpochReport) -> Decision:
        self.notes.append(f"epoch {report.epoch}")
        return Decision.CONTINUE

    def finished(self, number: int, outcome: TrialOutcome) -> None:
        self.outcome = outcome

    def failed(self, number: int, failure: TrialFailure) -> None:
        raise AssertionError(failure.reason)

    def lost(self, number: int, *, reason: str) -> None:
        self.notes.append(reason)
        self._waiting.append(self._task)

    def machine_excluded(self, *, host: str, reason: str, trials: Sequence[int]) -> None:
        raise AssertionError(reason)


def test_a_run_of_two_processes_on_ray_goes_on_whichever_is_killed(tmp_path: Path) -> None:
    from hico_platform.search.ray_executor.executor import execute_on_ray

    small_store(tmp_path / "store")
    source = Dataset(location=str(tmp_path / "store"), protocol="odd-subjects", cache=tmp_path / "cache")
    data = TrialData(source=source, target=None)

    def function(task: TrialTask, report: ReportFunction) -> TrialOutcome:
        def killing(said: EpochReport) -> Decision:
            answer = report(said)
            [other] = multiprocessing.active_children()
            if not (tmp_path / f"killed-{said.epoch}").exists():
                (tmp_path / f"killed-{said.epoch}").write_text(str(other.pid))
                if said.epoch == 1:
                    other.kill()
                if said.epoch == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return run_task(task, killing, data=data, ranks=2)

    task = TrialTask(
        number=0,
        config=small_config(budget__epochs=3),
        directory=tmp_path / "run",
        report_epochs=(1, 2, 3),
        cpus=1,
        gpus=0,
    )
    source_of_one = OneTask(task)
    execute_on_ray(
        source_of_one, function, execution=TrialExecution(cpus=1, gpus=0), cluster=ClusterOptions(cpus=1, gpus=0)
    )
    first, lost, again, second, died, *rest = source_of_one.notes
    assert (first, again, second, rest) == ("epoch 1", "epoch 1", "epoch 2", ["epoch 2", "epoch 3"])
    assert "process 1 ended by signal 9" in lost
    assert "its process died" in died
    assert source_of_one.outcome is not None
    assert source_of_one.outcome.epoch == 3
    for epoch in (1, 2, 3):
        pid = (tmp_path / f"killed-{epoch}").read_text()
        assert not Path(f"/proc/{pid}").exists(), "no rank outlives its run"
