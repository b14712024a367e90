"""The plan and the cost of a search, without starting anything."""

from __future__ import annotations

import dataclasses
import random
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace, GpuShare, SamplerName
from hico_platform.config.trial import TrialConfig
from hico_platform.cpus import available_cpus
from hico_platform.search.controller import SearchController
from hico_platform.search.cost import Machine, Timing
from hico_platform.search.grid import grid_points
from hico_platform.search.keep_rule import Kept, verdicts
from hico_platform.search.ledger.base import Facts, Ledger, TrialRecord
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.simulator import CurveFunction, SimulatedClock, Simulation, simulate
from hico_platform.search.task import TrialTask
from hico_platform.search.validation_noise import ValidationNoise

SHOWN = 5
SIMULATIONS = 20
_CHECKPOINTS = 2
"""A trial keeps so many."""

_FACTS = Facts(data_digest="", protocol="", code_version="", seed=0)


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What a search would do.

    Args:
        limit: trials in all.
        origins: where the values of the first trials come from.
        first: the values of the first trials.
        rungs: the expected number of trials that reach each report epoch.
        epochs: the expected number of epochs in all.
        epochs_without_stopping: the number if no trial were stopped early.
        workers: trials at once.
        seconds_per_epoch: measured; None where no data was given.
        seconds_evaluating: what a trial takes besides its epochs, likewise.
        kept: the expected number of trials whose checkpoints the space's rule keeps whole, and of those of which it
            keeps the encoder; without a rule all trials, with their last two checkpoints, and none.
        keeps_all: whether the space has no rule.
        checkpoint_bytes: of a whole checkpoint, measured; None where no data was given.
        encoder_bytes: of one cut to its encoder, likewise.
        gpus: GPUs that a trial holds; None where they are measured when the search begins.
        warnings: what the data suggest to change in the space.
        noise: how sure a score on few sequences is; None where they are many, or no data was given.
    """

    limit: int
    origins: tuple[str, ...]
    first: tuple[Mapping[str, Scalar], ...]
    rungs: Mapping[int, float]
    epochs: float
    epochs_without_stopping: int
    workers: int
    seconds_per_epoch: float | None
    seconds_evaluating: float | None
    gpus: float | None
    kept: tuple[float, float] = (0.0, 0.0)
    keeps_all: bool = True
    checkpoint_bytes: float | None = None
    encoder_bytes: float | None = None
    warnings: tuple[str, ...] = ()
    noise: ValidationNoise | None = None

    @property
    def hours(self) -> float | None:
        """Estimated wall-clock hours, with evaluation."""
        if self.seconds_per_epoch is None or self.seconds_evaluating is None:
            return None
        work_s = self.epochs * self.seconds_per_epoch + self.limit * self.seconds_evaluating
        return work_s / self.workers / 3600

    @property
    def gpu_hours(self) -> float | None:
        """Estimated GPU-hours."""
        return None if self.hours is None or self.gpus is None else self.hours * self.workers * self.gpus

    @property
    def bytes_on_disk(self) -> float | None:
        """Estimated bytes of checkpoints when the search has ended."""
        if self.checkpoint_bytes is None or self.encoder_bytes is None:
            return None
        whole, encoders = self.kept
        of_a_whole_one = _CHECKPOINTS * self.checkpoint_bytes if self.keeps_all else self.checkpoint_bytes
        return whole * of_a_whole_one + encoders * self.encoder_bytes

    @property
    def bytes_at_most(self) -> float | None:
        """Estimated bytes of checkpoints while it runs: trials at work have their last two, whatever the rule."""
        if self.bytes_on_disk is None or self.checkpoint_bytes is None:
            return None
        return self.bytes_on_disk + _CHECKPOINTS * self.workers * self.checkpoint_bytes

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "trials": self.limit,
            "first": [dict(values) for values in self.first],
            "origins": list(self.origins),
            "rungs": {str(epoch): count for epoch, count in self.rungs.items()},
            "epochs": self.epochs,
            "epochs_without_stopping": self.epochs_without_stopping,
            "workers": self.workers,
            "seconds_per_epoch": self.seconds_per_epoch,
            "seconds_evaluating": self.seconds_evaluating,
            "gpus_per_trial": self.gpus,
            "hours": self.hours,
            "gpu_hours": self.gpu_hours,
            "checkpoints": {
                "whole": self.kept[0],
                "encoders": self.kept[1],
                "bytes_of_a_whole_one": self.checkpoint_bytes,
                "bytes_of_an_encoder": self.encoder_bytes,
                "bytes_on_disk": self.bytes_on_disk,
                "bytes_at_most": self.bytes_at_most,
            },
            "warnings": list(self.warnings),
            "validation": None if self.noise is None else dataclasses.asdict(self.noise),
        }


def this_machine(*, cpus: int | None = None, gpus: float = 0.0, gpus_per_trial: float | None = None) -> Machine:
    """This machine, with all its CPUs unless fewer are to be used."""
    return Machine(cpus=cpus or available_cpus(), gpus=gpus, gpus_per_trial=gpus_per_trial)


def plan_search(
    space: CheckedSpace,
    *,
    machine: Machine,
    limit: int | None = None,
    warm_points: Sequence[Mapping[str, Scalar]] = (),
    time_trial: Callable[[Sequence[TrialConfig]], Timing] | None = None,
) -> SearchPlan:
    """Samples the first trials, and simulates the scheduler over random learning curves.

    Args:
        space: a checked space.
        machine: what it would run on.
        limit: trials in all; by default the space's.
        warm_points: points of earlier searches, tried after the listed ones.
        time_trial: measures how long configurations take, on average.
    """
    trials = limit or space.settings.trials
    if space.settings.sampler.name is SamplerName.GRID:
        trials = min(trials, len(grid_points(space)))
    begun = _first(space, min(SHOWN, trials), warm_points)
    first = tuple(trial.values for trial in begun)
    scheduler = make_scheduler(space.settings.scheduler, epochs=space.base.budget.epochs)
    workers = workers_of(space, machine=machine)
    reached: dict[int, list[int]] = {epoch: [] for epoch in scheduler.report_epochs}
    epochs, kept = [], []
    for seed in range(SIMULATIONS):
        result, ended = simulate_random(space, trials=trials, workers=workers, seed=seed)
        epochs.append(result.epochs)
        kept.append(_kept(ended, space))
        for epoch, counts in reached.items():
            counts.append(sum(report.epoch == epoch for report in result.reports))
    mean_reports = sum(statistics.fmean(counts) for counts in reached.values()) / trials
    timing = None
    if time_trial is not None:
        timing = time_trial([space.config(values) for values in first])
    return SearchPlan(
        limit=trials,
        origins=tuple(str(trial.origin) for trial in begun),
        first=first,
        rungs={epoch: statistics.fmean(counts) for epoch, counts in reached.items()},
        epochs=statistics.fmean(epochs),
        epochs_without_stopping=trials * space.base.budget.epochs,
        workers=workers,
        seconds_per_epoch=None if timing is None else timing.epoch_s,
        seconds_evaluating=None if timing is None else timing.evaluation_s + mean_reports * timing.report_s,
        gpus=gpus_of(space, machine=machine),
        kept=(statistics.fmean(whole for whole, _ in kept), statistics.fmean(encoders for _, encoders in kept)),
        keeps_all=space.settings.keep is None,
        checkpoint_bytes=None if timing is None else timing.checkpoint_bytes,
        encoder_bytes=None if timing is None else timing.encoder_bytes,
    )


def gpus_of(space: CheckedSpace, *, machine: Machine) -> float | None:
    """GPUs that a trial holds; None where they are still to be measured."""
    resources = space.settings.resources
    return machine.gpus_per_trial if resources.gpus is GpuShare.AUTO else resources.given_gpus


def workers_of(space: CheckedSpace, *, machine: Machine) -> int:
    """Trials at once: as many as the machine holds, up to the limit of the space."""
    resources = space.settings.resources
    gpus = gpus_of(space, machine=machine) or 0.0
    limits = [machine.cpus / resources.cpus]
    if gpus > 0:  # if this machine has no GPU, the plan is for one elsewhere
        limits.append(max(machine.gpus, 1.0) / gpus)
    if resources.max_concurrent is not None:
        limits.append(resources.max_concurrent)
    return max(1, int(min(limits)))


def simulate_random(
    space: CheckedSpace, *, trials: int, workers: int, seed: int
) -> tuple[Simulation, Sequence[TrialRecord]]:
    """A search in which a trial's quality is random, its scores are noisy, and its encoder's size is random.

    Returns:
        what happened, and the trials as the ledger has them.
    """
    draw = random.Random(seed)
    qualities: dict[int, float] = {}
    known: dict[int, float] = {}

    def curve_of(task: TrialTask) -> CurveFunction:
        quality = qualities.setdefault(task.number, draw.random())
        return lambda epoch: quality + draw.gauss(0, 0.2)

    ledger = MemoryLedger(name="plan", space=space, facts=_FACTS, limit=trials, at_s=0.0)
    clock = SimulatedClock()
    sizes = random.Random(seed + SIMULATIONS)
    result = simulate(
        _controller(ledger, space, clock),
        curve_of=curve_of,
        clock=clock,
        workers=workers,
        parameters_of=lambda task: known.setdefault(task.number, sizes.random()),
    )
    return result, ledger.trials()


def _kept(trials: Sequence[TrialRecord], space: CheckedSpace) -> tuple[int, int]:
    """Of how many trials the checkpoint is kept whole when the search ends, and of how many the encoder."""
    if space.settings.keep is None:
        return len(trials), 0
    found = verdicts(trials, space.settings.keep, objectives=space.settings.objectives, now_s=0.0)
    counts = Counter(verdict.kept for verdict in found.values())
    return counts[Kept.WHOLE], counts[Kept.ENCODER]


def _first(space: CheckedSpace, count: int, warm_points: Sequence[Mapping[str, Scalar]]) -> tuple[TrialRecord, ...]:
    from hico_platform.search.ledger.optuna_ledger import MEMORY, StudyLedger, open_storage

    ledger = StudyLedger.create(open_storage(MEMORY), name="plan", space=space, facts=_FACTS, limit=count, at_s=0.0)
    controller = _controller(ledger, space, SimulatedClock(), warm_points)
    while controller.next_task() is not None:
        pass
    return ledger.trials()


def _controller(
    ledger: Ledger,
    space: CheckedSpace,
    clock: SimulatedClock,
    warm_points: Sequence[Mapping[str, Scalar]] = (),
) -> SearchController:
    return SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=space.base.budget.epochs),
        directory=Path("plan"),
        observe=lambda event: None,
        warm_points=warm_points,
        clock=clock,
    )
