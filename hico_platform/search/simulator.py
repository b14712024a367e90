"""A search without training: a scheduler and a sampler over given learning curves, thousands of trials in seconds.

The same :class:`~hico_platform.search.controller.SearchController` that Ray executes is carried out by workers
that exist in a simulated time alone. So policies are compared, resumes are replayed, and a search is priced, by what it
would really do.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from hico_platform.enums import Decision
from hico_platform.search.messages import EpochReport, TrialOutcome
from hico_platform.search.task import TrialTask
from hico_platform.search.task_source import TaskSource

Curve = Callable[[int], float]
"""Epoch to validation kNN top-1."""


@dataclass(kw_only=True)
class SimulatedClock:
    """Seconds since the simulation began."""

    now_s: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@dataclass(frozen=True, kw_only=True)
class Told:
    """A report as it came, in order."""

    at_s: float
    number: int
    epoch: int
    value: float
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What happened: every report in order, epochs trained in all, and how long it took."""

    told: tuple[Told, ...]
    epochs: int
    seconds: float


@dataclass(order=True, kw_only=True)
class _Next:
    """The next report of a worker's trial."""

    at_s: float
    number: int
    epoch: int = field(compare=False)
    task: TrialTask = field(compare=False)


def simulate(
    course: TaskSource,
    *,
    curve_of: Callable[[TrialTask], Curve],
    clock: SimulatedClock,
    workers: int = 1,
    seconds_per_epoch: Callable[[TrialTask], float] = lambda task: 1.0,
    parameters_of: Callable[[TrialTask], float] = lambda task: 1.0,
) -> Simulation:
    """Carries out ``course`` in simulated time.

    Args:
        course: a controller that goes by ``clock``.
        curve_of: the learning curve of a task.
        clock: is moved on as trials train.
        workers: trials at once.
        seconds_per_epoch: how long an epoch of a task takes.
        parameters_of: how many parameters its encoder has.
    """
    agenda: list[_Next] = []
    told: list[Told] = []
    epochs = 0

    def plan(task: TrialTask, after: int) -> None:
        epoch = next(epoch for epoch in task.report_epochs if epoch > after)
        at_s = clock.now_s + (epoch - after) * seconds_per_epoch(task)
        heapq.heappush(agenda, _Next(at_s=at_s, number=task.number, epoch=epoch, task=task))

    def fill() -> None:
        while course.at_work < workers and (task := course.next_task()) is not None:
            plan(task, 0)

    fill()
    while agenda:
        event = heapq.heappop(agenda)
        clock.now_s = event.at_s
        value = curve_of(event.task)(event.epoch)
        report = EpochReport(
            epoch=event.epoch,
            metrics={"knn_top1": value, "parameters": parameters_of(event.task)},
            history=((event.epoch, {"sequences_per_s": 1.0 / seconds_per_epoch(event.task)}),),
            checkpoint=event.task.directory,
        )
        decision = course.reported(event.number, report)
        told.append(Told(at_s=event.at_s, number=event.number, epoch=event.epoch, value=value, decision=decision))
        last = event.epoch >= event.task.report_epochs[-1]
        if last or decision is Decision.STOP:
            epochs += event.epoch
            outcome = TrialOutcome(
                epoch=event.epoch,
                stopped_early=not last,
                metrics={"knn_top1": value},
                checkpoint=event.task.directory,
            )
            course.finished(event.number, outcome)
            fill()
        else:
            plan(event.task, event.epoch)
    return Simulation(told=tuple(told), epochs=epochs, seconds=clock.now_s)
