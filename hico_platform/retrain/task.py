"""One run of a retraining on a worker."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.retrain.plan import Entry
from hico_platform.retrain.sequence_scores import SequenceScores, write_sequence_scores
from hico_platform.search.messages import ReportFunction, TrialOutcome
from hico_platform.search.task import TrialTask

if TYPE_CHECKING:  # the driver does without torch
    from hico_platform.evaluate.quick_tasks import QuickScores
    from hico_platform.worker.run_task import TrialData


@dataclass(frozen=True, kw_only=True)
class RetrainTask(TrialTask):
    """A run of the plan as a task for a worker."""

    entry: Entry


def run_retrain_task(task: RetrainTask, report: ReportFunction, *, data: TrialData) -> TrialOutcome:
    """Trains and scores an entry, or only scores it where it is not trained.

    ``data`` is that of the comparison, on the test split; a candidate trains on the training subjects and is scored on
    the validation subjects of the same data.
    """
    from hico_platform.evaluate.quick_tasks import quick_scores
    from hico_platform.evaluate.signals import validation_scores
    from hico_platform.worker.run_task import raw_pose, run_task, untrained

    keep = functools.partial(keep_sequence_scores, directory=task.directory)
    match task.entry:
        case Entry.RAW_POSE:
            metrics = keep(quick_scores(raw_pose(task, report, data=data)))
        case Entry.UNTRAINED:
            metrics = keep(quick_scores(untrained(task, report, data=data)))
        case Entry.CANDIDATE:
            return run_task(
                task,
                report,
                data=of_training_split(data),
                score=lambda evaluated: validation_scores(evaluated, signal=data.signal).values,
                validate=False,
            )
        case _:
            return run_task(task, report, data=data, score=lambda evaluated: keep(quick_scores(evaluated)))
    return TrialOutcome(epoch=0, stopped_early=False, metrics=metrics, checkpoint=task.directory)


def of_training_split(data: TrialData) -> TrialData:
    """The same data with its training split alone: training and validation subjects, and no transfer."""
    return dataclasses.replace(data, on_test_split=False, target=None)


def keep_sequence_scores(scores: QuickScores, *, directory: Path) -> dict[str, float]:
    """Writes each sequence's part into a run's folder; returns the scores."""
    kept = SequenceScores(parts=scores.parts(), persons=scores.persons.numpy(), clusters=scores.clusters)
    write_sequence_scores(directory, kept)
    return scores.values()
