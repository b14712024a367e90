"""Downstream tasks beyond the quick ones, on the encoders of a retraining: few labels, occlusion, fine-tuning.

Those of ``DEFAULT_TASKS`` take seconds and are scored with a run. All others, and those asked for later, read the
checkpoint of a run that has its result. A worker sends the scores to the driver, which keeps a file of each task in the
run's folder: neither a task that fails nor a process that is killed costs a result or another task's scores.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hico_platform.atomic_io import write_whole
from hico_platform.enums import Clusters
from hico_platform.errors import Problem, UsageError, command, first_line
from hico_platform.retrain.sequence_scores import Parts

if TYPE_CHECKING:  # the driver does without torch
    from hico_platform.evaluate.data import Evaluated
    from hico_platform.evaluate.tasks.base import EvaluationTask

DEFAULT_TASKS = ("semi", "occlusion")
"""What a retraining runs beside the quick tasks: they train no encoder, and give the curves of the report."""

FOLDER = "tasks"
_ABOUT, _PERSONS = "_about", "_persons"
_ALONE = {"fusion": "encoders of several streams"}
"""Tasks that no retraining has the input of, and that input."""


@dataclass(frozen=True, kw_only=True)
class TaskScores:
    """What one task found of one run.

    ``values`` are its scores by name; ``parts`` float32 (q,) are each sequence's part in those that are means over
    sequences, whose persons are ``persons`` int64 (q,), or their ``clusters``. ``skipped`` is what the task asks for
    and the run does not have, ``failed`` why it could not be scored.
    """

    task: str
    protocol: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, Parts] = field(default_factory=dict)
    persons: npt.NDArray[np.int64] | None = None
    clusters: Clusters = Clusters.PERSONS
    skipped: str | None = None
    failed: str | None = None


def further_names(names: Sequence[str]) -> tuple[str, ...]:
    """The tasks that these names ask for beside the quick ones, which always run, in the order of the tables.

    ``quick`` and ``all`` stand for several, as for ``evaluate``; a quick task of another package is a further one.
    Raises UsageError for a name that no task has, or of a task that no retraining has the input of.
    """
    if tuple(names) == DEFAULT_TASKS:
        return DEFAULT_TASKS  # without importing torch
    from hico_platform.evaluate.tasks.registry import OWN, wanted_tasks

    for name, asks_for in _ALONE.items():
        if name in names:
            raise UsageError(
                Problem(
                    field="tasks",
                    rule=f"names of tasks that ask for one encoder alone, not for {asks_for}",
                    value=name,
                    remedy=f"leave it out, and run {command('evaluate', '--tasks', name)} afterwards",
                )
            )
    quick = {task.name for task in OWN if task.quick}
    return tuple(task.name for task in wanted_tasks(names) if task.name not in quick)


def pending(directory: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the tasks that have neither scores nor a lack in a run's folder; what failed is tried again."""
    kept = {name: read_task_scores(directory, name) for name in names}
    return tuple(name for name, one in kept.items() if one is None or one.failed is not None)


def score_tasks(evaluated: Callable[[], Evaluated], names: Sequence[str]) -> tuple[TaskScores, ...]:
    """The scores of these tasks; what fails says why, and nothing is raised for it.

    ``evaluated`` makes what the tasks are given, and is called where there is a task.
    """
    if not names:
        return ()
    from hico_platform.evaluate.tasks.registry import chosen

    try:
        given = evaluated()
    except Exception as error:
        return tuple(TaskScores(task=name, failed=_reason(error)) for name in names)
    found = []
    for name in names:
        try:
            (task,) = chosen([name])
            found.append(_scored(task, given))
        except Exception as error:
            found.append(TaskScores(task=name, failed=_reason(error)))
    return tuple(found)


def record_failure(directory: Path, names: Sequence[str], *, reason: str) -> None:
    """Keeps why these tasks have no scores; they are tried again."""
    for name in names:
        write_task_scores(directory, TaskScores(task=name, failed=reason))


def _scored(task: EvaluationTask, given: Evaluated) -> TaskScores:
    missing = task.missing(given)
    if missing is not None:
        return TaskScores(task=task.name, skipped=missing)
    result = task.run(given)
    data = given.target.data if result.on_target and given.target is not None else given.data
    persons = data.eval_subjects
    return TaskScores(
        task=task.name,
        protocol=result.protocol,
        values=result.values(),
        parts={
            name: score.per_sequence.float().numpy()
            for name, score in result.scores.items()
            if score.per_sequence is not None
        },
        persons=np.arange(len(data.eval)) if persons is None else persons.numpy(),
        clusters=data.clusters,
    )


def _reason(error: Exception) -> str:
    return first_line(error) or type(error).__name__


def write_task_scores(directory: Path, scores: TaskScores) -> None:
    """Writes a task's file into a run's folder, atomically."""
    about: dict[str, Any] = {
        "protocol": scores.protocol,
        "values": dict(scores.values),
        "clusters": scores.clusters.value,
        "skipped": scores.skipped,
        "failed": scores.failed,
    }
    arrays: dict[str, npt.NDArray[Any]] = {name: one.astype(np.float32) for name, one in scores.parts.items()}
    arrays[_ABOUT] = np.array(json.dumps(about))
    if scores.persons is not None:
        arrays[_PERSONS] = scores.persons
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    file = _file(directory, scores.task)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, content.getvalue())


def read_task_scores(directory: Path, task: str) -> TaskScores | None:
    """What a run's folder keeps of a task; None where it was not run, or the file is damaged."""
    try:
        with np.load(_file(directory, task), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        about = json.loads(str(arrays.pop(_ABOUT)))
        clusters = Clusters(about.pop("clusters"))
        persons = arrays.pop(_PERSONS, None)
        return TaskScores(task=task, parts=arrays, persons=persons, clusters=clusters, **about)
    except (FileNotFoundError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return None


def kept_tasks(directory: Path) -> tuple[TaskScores, ...]:
    """All that a run's folder keeps of further tasks, by name."""
    names = sorted(file.stem for file in (directory / FOLDER).glob("*.npz"))
    return tuple(one for name in names if (one := read_task_scores(directory, name)) is not None)


def _file(directory: Path, task: str) -> Path:
    return directory / FOLDER / f"{task}.npz"
