"""One run of a retraining on a worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hico_platform.retrain.plan import Entry
from hico_platform.retrain.sequence_scores import SequenceScores
from hico_platform.search.messages import ReportFunction, TrialOutcome
from hico_platform.search.task import TrialTask

if TYPE_CHECKING:  # the driver does without torch
    from hico_platform.evaluate.quick_tasks import QuickScores
    from hico_platform.worker.run_task import TrialData


@dataclass(frozen=True, kw_only=True)
class RetrainTask(TrialTask):
    """A run of the plan as a task for a worker."""

    entry: Entry


@dataclass(frozen=True, kw_only=True)
class RetrainOutcome(TrialOutcome):
    """How a run ended, with all that its result has: the driver may not see the disk that it was trained on.

    Args:
        scores: each test sequence's part in its scores; None of a candidate.
        precision: what it was trained in; None of an entry that is not trained.
    """

    scores: SequenceScores | None = None
    precision: str | None = None


def run_retrain_task(task: RetrainTask, report: ReportFunction, *, data: TrialData) -> RetrainOutcome:
    """Trains and scores an entry, or only scores it where it is not trained.

    ``data`` is that of the comparison, on the test split; a candidate trains on the training subjects and is scored on
    the validation subjects of the same data.
    """
    from hico_platform.checkpoint import precision_of
    from hico_platform.evaluate.quick_tasks import quick_scores
    from hico_platform.evaluate.signals import validation_scores
    from hico_platform.worker.run_task import raw_pose, run_task, untrained

    found: list[SequenceScores] = []

    def keep(scores: QuickScores) -> Mapping[str, float]:
        kept = SequenceScores(parts=scores.parts(), persons=scores.persons.numpy(), clusters=scores.clusters)
        found.append(kept)
        return scores.values()

    if not task.entry.is_trained:
        score = raw_pose if task.entry is Entry.RAW_POSE else untrained
        metrics = keep(quick_scores(score(task, report, data=data)))
        return RetrainOutcome(epoch=0, stopped_early=False, metrics=metrics, checkpoint=task.directory, scores=found[0])
    if task.entry is Entry.CANDIDATE:
        outcome = run_task(
            task,
            report,
            data=of_training_split(data),
            score=lambda evaluated: validation_scores(evaluated, signal=data.signal).values,
            validate=False,
        )
    else:
        outcome = run_task(task, report, data=data, score=lambda evaluated: keep(quick_scores(evaluated)))
    return RetrainOutcome(
        epoch=outcome.epoch,
        stopped_early=outcome.stopped_early,
        metrics=outcome.metrics,
        checkpoint=outcome.checkpoint,
        scores=found[0] if found else None,
        precision=precision_of(outcome.checkpoint.parent),
    )


def of_training_split(data: TrialData) -> TrialData:
    """The same data with its training split alone: training and validation subjects, and no transfer."""
    return dataclasses.replace(data, on_test_split=False, target=None)
