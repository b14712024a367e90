"""A task that two processes train, through the loss of one, against the same task in one process."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint
from hico_platform.enums import Decision
from hico_platform.errors import ConfigError, HicoError, LostRankError, Problem, UsageError
from hico_platform.search.messages import EpochReport, ReportFunction, TrialOutcome
from hico_platform.search.task import TrialTask
from hico_platform.worker import ranks as ranks_module
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.ranks import Join, training_ranks
from hico_platform.worker.run_task import TrialData, ranks_of, run_task
from tests.small import small_config, small_store

CPU = torch.device("cpu")
EPOCHS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    folder = tmp_path_factory.mktemp("data")
    small_store(folder / "store")
    source = Dataset(location=str(folder / "store"), protocol="odd-subjects", cache=folder / "cache")
    return TrialData(source=source, target=None)


def task(folder: Path, *, gpus: float = 0) -> TrialTask:
    config = small_config(
        model__encoder="lstm", optimiser__name="sgd", optimiser__learning_rate=0.1, budget__epochs=EPOCHS
    )
    return TrialTask(
        number=0, config=config, directory=folder, report_epochs=tuple(range(1, EPOCHS + 1)), cpus=2, gpus=gpus
    )


def at_epoch(epoch: int, act: Callable[[], Decision]) -> ReportFunction:
    """Answers the report of ``epoch`` by ``act``, all others by going on."""

    def report(said: EpochReport) -> Decision:
        return act() if said.epoch == epoch else Decision.CONTINUE

    return report


def kill_the_other_rank() -> Decision:
    [other] = multiprocessing.active_children()
    other.kill()
    return Decision.CONTINUE


def check_same_training(outcome: TrialOutcome, expected: TrialOutcome) -> None:
    assert outcome.epoch == expected.epoch
    found, wanted = (load_checkpoint(each.checkpoint) for each in (outcome, expected))
    assert found.tensors.keys() == wanted.tensors.keys()
    for name, tensor in wanted.tensors.items():
        torch.testing.assert_close(found.tensors[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.slow
def test_a_run_of_two_that_loses_one_goes_on_as_two_and_then_alone_as_one_that_was_always_alone(
    data: TrialData, tmp_path: Path
) -> None:
    shared = task(tmp_path / "shared")
    with pytest.raises(LostRankError, match=r"2 processes.*'process 1 ended by signal 9'; run .* again") as lost:
        run_task(shared, at_epoch(1, kill_the_other_rank), data=data, ranks=2)
    assert str(lost.value).startswith(str(shared.directory / "epoch-000001")), "it names what is saved"
    stopped = run_task(shared, at_epoch(2, lambda: Decision.STOP), data=data, ranks=2)
    assert stopped.epoch == 2
    assert stopped.stopped_early
    assert load_checkpoint(stopped.checkpoint).facts["provenance"]["ranks"] == 2
    assert multiprocessing.active_children() == []
    assert not torch.distributed.is_initialized(), "the process may run another task"
    alone = run_task(shared, at_epoch(0, lambda: Decision.STOP), data=data)
    straight = run_task(task(tmp_path / "straight"), at_epoch(0, lambda: Decision.STOP), data=data)
    assert straight.epoch == EPOCHS
    check_same_training(alone, straight)


def fails_as_usual(*, number: int, join: Join) -> None:
    raise HicoError(Problem(rule="a rank that trains", value=number, remedy="mend it"))


def fails_unforeseen(*, number: int, join: Join) -> None:
    with join(CPU) as ranks:
        ranks.from_first(0)
        raise ValueError("no\nmore")


@pytest.mark.slow
def test_an_error_of_another_rank_is_raised_here() -> None:
    with (
        pytest.raises(HicoError, match="expected a rank that trains, got 1; mend it"),
        training_ranks(2, device=CPU, follow=fails_as_usual),
    ):
        pytest.fail("it never joined")


@pytest.mark.slow
def test_an_unforeseen_error_of_another_rank_is_named() -> None:
    with training_ranks(2, device=CPU, follow=fails_unforeseen) as ranks:
        ranks.from_first(0)
        with pytest.raises(LostRankError, match="'process 1: ValueError: no'"), ranks.losses_explained():
            torch.distributed.barrier()


def is_killed_when_it_joins(*, number: int, join: Join) -> None:
    """Rank 1 says that it is ready and is killed; rank 2 waits for it."""
    if number == 1:
        vars(ranks_module)["joined_ranks"] = lambda **_: os.kill(os.getpid(), signal.SIGKILL)
    with join(CPU):
        pytest.fail("it never joined")


def trains(*, number: int, join: Join) -> None:
    with join(CPU) as ranks:
        ranks.from_first(0)


@pytest.mark.slow
def test_a_rank_that_is_killed_while_it_joins_ends_the_others_and_the_next_run_starts_afresh() -> None:
    with (
        pytest.raises(LostRankError, match=r"3 processes.*'process 1 ended by signal 9'; run .* again"),
        training_ranks(3, device=CPU, follow=is_killed_when_it_joins),
    ):
        pytest.fail("it never joined")
    assert multiprocessing.active_children() == []
    with training_ranks(2, device=CPU, follow=trains) as ranks:
        assert ranks.from_first(7) == 7


def test_a_batch_that_cannot_be_shared_equally_is_refused_before_anything_starts(
    data: TrialData, tmp_path: Path
) -> None:
    rule = "budget.batch_size: expected a multiple of the 3 processes .*, got 8; set budget.batch_size to 6 or 9"
    with pytest.raises(ConfigError, match=rule):
        run_task(task(tmp_path), lambda said: Decision.CONTINUE, data=data, ranks=3)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(("gpus", "expected"), [(0, 1), (0.5, 1), (1, 1), (2, 2), (4, 4)])
def test_there_is_a_rank_for_each_gpu_that_a_task_holds(
    gpus: float, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert ranks_of(task(tmp_path, gpus=gpus)) == expected
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert ranks_of(task(tmp_path, gpus=gpus)) == 1, "it falls back to the CPU, as with one GPU"


def test_more_gpus_than_there_are_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match=r"gpus: expected at most the 2 GPUs .*, got 4; ask for fewer"):
        ranks_of(task(tmp_path, gpus=4))
