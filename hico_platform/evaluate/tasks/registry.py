"""All downstream tasks by name: those of this package, and those that others bring by entry points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hico_platform.errors import Problem, UsageError
from hico_platform.evaluate.tasks.base import EvaluationTask
from hico_platform.evaluate.tasks.calibration import Calibration
from hico_platform.evaluate.tasks.finetune import Finetune
from hico_platform.evaluate.tasks.fusion import Fusion
from hico_platform.evaluate.tasks.knn import Knn
from hico_platform.evaluate.tasks.linear import Linear
from hico_platform.evaluate.tasks.occlusion import Occlusion
from hico_platform.evaluate.tasks.retrieval import Retrieval
from hico_platform.evaluate.tasks.semi_supervised import Semi, SemiFinetune
from hico_platform.evaluate.tasks.transfer import Transfer, TransferFinetune
from hico_platform.plug_in_names import PlugInGroup, plug_ins
from hico_platform.plug_ins import BrokenPlugInError, made, skip_broken

QUICK, ALL = "quick", "all"
"""Words that stand for several tasks."""

OWN: tuple[EvaluationTask, ...] = (
    Knn(),
    Linear(),
    Retrieval(),
    Calibration(),
    Semi(),
    SemiFinetune(),
    Finetune(),
    Transfer(),
    TransferFinetune(),
    Fusion(),
    Occlusion(),
)


def tasks() -> dict[str, EvaluationTask]:
    """Every task by name, this package's own in the order of its tables, then the others' by name.

    An entry point names a task's class, or a function that makes one; a name of this package is not given away. One
    that cannot be loaded is left out, with a warning.
    """
    found = {task.name: task for task in OWN}
    for name in plug_ins(PlugInGroup.TASKS):
        try:
            task: EvaluationTask = made(PlugInGroup.TASKS, name)
            found.setdefault(task.name, task)
        except BrokenPlugInError as error:
            skip_broken(error)
    return found


def chosen(names: Iterable[str]) -> tuple[EvaluationTask, ...]:
    """The tasks of these names, in the order of the tables. Raises UsageError for a name that no task has."""
    known, wanted = tasks(), set(names)
    for name in sorted(wanted - known.keys()):
        if name in plug_ins(PlugInGroup.TASKS):
            made(PlugInGroup.TASKS, name)  # raises: it is broken
        raise UsageError(
            Problem(field="tasks", rule=f"names of {', '.join(known)}", value=name, remedy="choose among these")
        )
    return tuple(task for name, task in known.items() if name in wanted)


def wanted_tasks(names: Sequence[str]) -> tuple[EvaluationTask, ...]:
    """The tasks of these names, of which ``quick`` and ``all`` stand for several; raises UsageError for another."""
    known = tasks()
    wanted: set[str] = set()
    for name in names:
        if name in (QUICK, ALL):
            wanted |= {task.name for task in known.values() if name == ALL or task.quick}
        else:
            wanted.add(name)
    return chosen(wanted)
