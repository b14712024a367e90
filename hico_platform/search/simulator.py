"""A search without training: a scheduler and a sampler over given learning curves, thousands of trials in seconds.

The :class:`~hico_platform.search.controller.SearchController` is the one that Ray executes; its workers are simulated.
So policies are compared, resumes are replayed and a search is priced by what it would really do.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hico_platform.enums import Decision, Signal
from hico_platform.search.messages import EpochReport, TrialOutcome
from hico_platform.search.task import TrialTask
from hico_platform.search.task_source import TaskSource

CurveFunction = Callable[[int], float]
"""Epoch to the validation score that the search goes by."""


@dataclass(kw_only=True)
class SimulatedClock:
    """Seconds since the simulation began."""

    now_s: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@dataclass(frozen=True, kw_only=True)
class SimulatedReport:
    """A report and its answer."""

    at_s: float
    number: int
    epoch: int
    value: float
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """All reports in order, the epochs trained in all, and the simulated seconds."""

    reports: tuple[SimulatedReport, ...]
    epochs: int
    seconds: float


@dataclass(order=True, kw_only=True)
class _NextReport:
    """The next report of a running trial."""

    at_s: float
    number: int
    epoch: int = field(compare=False)
    task: TrialTask = field(compare=False)

    def report(self, metrics: Mapping[str, float], losses: Mapping[str, float]) -> EpochReport:
        history = ((self.epoch, losses),)
        return EpochReport(epoch=self.epoch, metrics=metrics, history=history, checkpoint=self.task.directory)

    def outcome(self, metrics: Mapping[str, float], *, stopped_early: bool) -> TrialOutcome:
        return TrialOutcome(
            epoch=self.epoch, stopped_early=stopped_early, metrics=metrics, checkpoint=self.task.directory
        )


def simulate(
    source: TaskSource,
    *,
    curve_of: Callable[[TrialTask], CurveFunction],
    clock: SimulatedClock,
    workers: int = 1,
    seconds_per_epoch: Callable[[TrialTask], float] = lambda task: 1.0,
    parameters_of: Callable[[TrialTask], float] = lambda task: 1.0,
) -> Simulation:
    """Runs the tasks of ``source`` in simulated time.

    Args:
        source: a controller that goes by ``clock``.
        curve_of: the learning curve of a task.
        clock: set to the time of each report.
        workers: trials at once.
        seconds_per_epoch: how long an epoch of a task takes.
        parameters_of: how many parameters its encoder has.
    """
    upcoming: list[_NextReport] = []
    reports: list[SimulatedReport] = []
    epochs = 0

    def schedule_report(task: TrialTask, after: int) -> None:
        epoch = next(epoch for epoch in task.report_epochs if epoch > after)
        at_s = clock.now_s + (epoch - after) * seconds_per_epoch(task)
        heapq.heappush(upcoming, _NextReport(at_s=at_s, number=task.number, epoch=epoch, task=task))

    def start_tasks() -> None:
        while source.tasks_running < workers and (task := source.next_task()) is not None:
            schedule_report(task, 0)

    start_tasks()
    while upcoming:
        event = heapq.heappop(upcoming)
        clock.now_s = event.at_s
        value = curve_of(event.task)(event.epoch)
        metrics = dict.fromkeys((signal.metric for signal in Signal), value)
        metrics["parameters"] = parameters_of(event.task)
        speed = {"sequences_per_s": 1.0 / seconds_per_epoch(event.task)}
        decision = source.reported(event.number, event.report(metrics, speed))
        reports.append(
            SimulatedReport(at_s=event.at_s, number=event.number, epoch=event.epoch, value=value, decision=decision)
        )
        last = event.epoch >= event.task.report_epochs[-1]
        if last or decision is Decision.STOP:
            epochs += event.epoch
            source.finished(event.number, event.outcome({"knn_top1": value}, stopped_early=not last))
            start_tasks()
        else:
            schedule_report(event.task, event.epoch)
    return Simulation(reports=tuple(reports), epochs=epochs, seconds=clock.now_s)
