"""One run of a retraining on a worker."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.checkpoint_store import fetch_address, is_in_a_store
from hico_platform.retrain.further_tasks import TaskScores, score_tasks
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.sequence_scores import SequenceScores
from hico_platform.search.messages import Activity, ReportFunction, TrialOutcome
from hico_platform.search.task import TrialTask, alive_of

if TYPE_CHECKING:  # the driver does without torch
    from hico_platform.evaluate.data import Evaluated
    from hico_platform.worker.run_task import TrialData


@dataclass(frozen=True, kw_only=True)
class RetrainTask(TrialTask):
    """A run of the plan as a task for a worker.

    ``along`` are further downstream tasks that are scored with the run, which spares encoding and fitting a probe
    again. With ``further`` the run has its result, and these are scored on its ``checkpoint``, a folder or an address
    in a store, which an entry that is not trained does without.
    """

    entry: Entry
    along: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    checkpoint: str | None = None


@dataclass(frozen=True, kw_only=True)
class RetrainOutcome(TrialOutcome):
    """How a run ended, with all that its result has: the driver may not see the disk that it was trained on.

    Args:
        scores: each test sequence's part in its scores; None of a candidate.
        precision: what it was trained in; None of an entry that is not trained.
        tasks: what further tasks found.
    """

    scores: SequenceScores | None = None
    precision: str | None = None
    tasks: tuple[TaskScores, ...] = ()


def run_retrain_task(task: RetrainTask, report: ReportFunction, *, data: TrialData) -> RetrainOutcome:
    """Trains and scores an entry, or only scores it where it is not trained.

    ``data`` is that of the comparison, on the test split; a candidate trains on the training subjects and is scored on
    the validation subjects of the same data.
    """
    if task.further:
        return _score_further(task, report, data=data)
    from hico_platform.checkpoint import precision_of
    from hico_platform.evaluate.quick_tasks import quick_scores, without_target
    from hico_platform.evaluate.signals import validation_scores
    from hico_platform.worker.run_task import raw_pose, run_task, untrained

    found: list[SequenceScores] = []
    along: list[TaskScores] = []

    def scored(evaluated: Evaluated) -> Mapping[str, float]:
        alone = without_target(evaluated)  # the features and the probe are computed once for all tasks
        scores = quick_scores(alone, target=evaluated.target)
        found.append(SequenceScores(parts=scores.parts(), persons=scores.persons.numpy(), clusters=scores.clusters))
        along.extend(score_tasks(lambda: alone, task.along))
        return scores.values()

    if not task.entry.is_trained:
        evaluated = raw_pose if task.entry is Entry.RAW_POSE else untrained
        metrics = scored(evaluated(task, report, data=data))
        return RetrainOutcome(
            epoch=0,
            stopped_early=False,
            metrics=metrics,
            checkpoint=task.directory,
            scores=found[0],
            tasks=tuple(along),
        )
    if task.entry is Entry.CANDIDATE:
        outcome = run_task(
            task,
            report,
            data=of_training_split(data),
            score=lambda evaluated: validation_scores(evaluated, signal=data.signal).values,
            validate=False,
        )
    else:
        outcome = run_task(task, report, data=data, score=scored)
    return RetrainOutcome(
        epoch=outcome.epoch,
        stopped_early=outcome.stopped_early,
        metrics=outcome.metrics,
        checkpoint=outcome.checkpoint,
        scores=found[0] if found else None,
        precision=precision_of(outcome.checkpoint.parent),
        tasks=tuple(along),
    )


def _score_further(task: RetrainTask, report: ReportFunction, *, data: TrialData) -> RetrainOutcome:
    """Runs further tasks on a run that has its result, which stays what it is."""
    from hico_platform.worker.run_task import prepare_threads, raw_pose, return_memory, untrained

    alive_of(report)(doing=Activity.EVALUATING)
    prepare_threads(task)

    def evaluated() -> Evaluated:
        match task.entry:
            case Entry.RAW_POSE:
                return raw_pose(task, report, data=data)
            case Entry.UNTRAINED:
                return untrained(task, report, data=data)
            case _:
                return of_checkpoint(task.checkpoint or "", task, report, data=data)

    try:
        tasks = score_tasks(evaluated, task.further)
    finally:
        return_memory()
    return RetrainOutcome(epoch=0, stopped_early=False, metrics={}, checkpoint=task.directory, tasks=tasks)


def of_checkpoint(checkpoint: str, task: RetrainTask, report: ReportFunction, *, data: TrialData) -> Evaluated:
    """The encoder of a checkpoint, of a folder or of a store, with its features, also of the target dataset.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        StoreAwayError: the store does not answer.
        DataError: the data cannot be opened.
    """
    from hico_platform.evaluate.data import of_encoder
    from hico_platform.retrain.exported_model import read_trained_run
    from hico_platform.train.kernel_check import checked_kernels
    from hico_platform.worker.gpu_share import hold_to_share
    from hico_platform.worker.run_task import device_of

    device, alive = device_of(task), alive_of(report)
    hold_to_share(task.gpus, device)
    with _on_this_machine(checkpoint) as folder:
        _, config, store, encoder, sequences = read_trained_run(folder, data=data, device=device)
    _, target = data.splits()
    of = functools.partial(of_encoder, encoder, config=config.evaluation, seed=config.budget.seed)
    with checked_kernels(config, layout=store.layout, coordinates=store.coordinates, device=device):
        on_target = None if target is None else of(data=target.eval_data(config, device=device, alive=alive))
        return of(data=dataclasses.replace(sequences, alive=alive), target=on_target)


@contextlib.contextmanager
def _on_this_machine(checkpoint: str) -> Iterator[Path]:
    """The folder of a checkpoint, within the block a copy of what lies in a store."""
    if not is_in_a_store(checkpoint):
        yield Path(checkpoint)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield fetch_address(checkpoint, Path(folder))


def of_training_split(data: TrialData) -> TrialData:
    """The same data with its training split alone: training and validation subjects, and no transfer."""
    return dataclasses.replace(data, on_test_split=False, target=None)
