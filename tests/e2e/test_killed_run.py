"""A pretraining killed again and again, with SIGKILL, ends bit for bit as one that was let alone."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint
from hico_platform.data.store import Store
from hico_platform.enums import Decision, EncoderType
from hico_platform.search.execution import ClusterOptions, TrialExecution
from hico_platform.search.messages import EpochReport, ReportFunction, TrialFailure, TrialOutcome
from hico_platform.search.task import TrialTask
from hico_platform.trial import run_trial
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData, run_task
from tests.small import small_config, small_split, small_store

pytestmark = pytest.mark.e2e
EPOCHS = 14
# Processes are forked from one that has imported what they need, and has run nothing: torch has threads.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def train(store: Path, directory: Path, encoder: EncoderType, result: Path) -> None:
    """A run to its end, in a process of its own; what came of it is written at once."""
    torch.set_num_threads(1)
    outcome = run_trial(
        small_config(model__encoder=encoder, budget__epochs=EPOCHS),
        split=small_split(Store.open(store)),
        target=None,
        directory=directory,
        report_epochs=range(1, EPOCHS + 1),
        report=lambda said: Decision.CONTINUE,
        device=torch.device("cpu"),
    )
    result.write_text(json.dumps([str(outcome.checkpoint), outcome.metrics]))


def start(folder: Path, name: str, encoder: EncoderType) -> multiprocessing.process.BaseProcess:
    process = PROCESSES.Process(target=train, args=(folder / "store", folder / name, encoder, folder / f"{name}.json"))
    process.start()
    return process


def finished(process: multiprocessing.process.BaseProcess, folder: Path, name: str) -> tuple[Path, dict[str, float]]:
    """The last checkpoint of a run and its metrics."""
    process.join(timeout=300)
    assert process.exitcode == 0
    checkpoint, metrics = json.loads((folder / f"{name}.json").read_text())
    return Path(checkpoint), metrics


def newest(directory: Path) -> str:
    return max((path.name for path in directory.glob("epoch-*")), default="")


@pytest.mark.parametrize("encoder", EncoderType)
def test_killed_and_resumed_equals_straight_through(encoder: EncoderType, tmp_path: Path) -> None:
    small_store(tmp_path / "store")
    expected = finished(start(tmp_path, "straight", encoder), tmp_path, "straight")
    moments = random.Random(encoder)
    kills = 0
    while True:
        process = start(tmp_path, "killed", encoder)
        if kills == 3:
            break
        before = newest(tmp_path / "killed")
        while newest(tmp_path / "killed") == before:  # it has gone on
            assert process.is_alive()
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            break
        kills += 1
    found = finished(process, tmp_path, "killed")
    assert kills == 3
    assert found[1] == expected[1]
    ends = [load_checkpoint(path) for path, _ in (expected, found)]
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
