"""One run of a retraining on a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hico_platform.retrain.plan import Entry
from hico_platform.search.messages import ReportFunction, TrialOutcome
from hico_platform.search.task import TrialTask

if TYPE_CHECKING:  # the driver does without torch
    from hico_platform.worker.run_task import TrialData


@dataclass(frozen=True, kw_only=True)
class RetrainTask(TrialTask):
    """A run of the plan as a task for a worker."""

    entry: Entry


def run_retrain_task(task: RetrainTask, report: ReportFunction, *, data: TrialData) -> TrialOutcome:
    """Trains and scores an entry, or only scores it where it is not trained."""
    from hico_platform.worker.run_task import raw_pose_score, run_task, untrained_scores

    match task.entry:
        case Entry.RAW_POSE:
            metrics = {"knn_top1": raw_pose_score(task, data=data)}
        case Entry.UNTRAINED:
            metrics = untrained_scores(task, report, data=data)
        case _:
            return run_task(task, report, data=data)
    return TrialOutcome(epoch=0, stopped_early=False, metrics=metrics, checkpoint=task.directory)
