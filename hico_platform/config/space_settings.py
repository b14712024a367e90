"""What a space file holds, typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hico_platform.config.constraint import Constraint
from hico_platform.config.parameters import Choice, Parameter, Range
from hico_platform.config.schema import Scalar, flatten, replace, setting
from hico_platform.config.trial import TrialConfig
from hico_platform.errors import ConfigError, Problem


class SamplerName(StrEnum):
    """How the next trial's parameters are chosen."""

    TPE = "tpe"
    RANDOM = "random"
    GP = "gp"
    CMAES = "cmaes"
    QMC = "qmc"
    GRID = "grid"
    NSGA2 = "nsga2"


class Objective(StrEnum):
    """What a search improves; the first is always the validation kNN."""

    KNN = "knn_top1"
    """Validation 1-NN top-1; the more the better."""

    PARAMETERS = "parameters"
    """Parameters of the encoder that downstream tasks use; the fewer the better."""

    SPEED = "sequences_per_s"
    """Sequences trained a second on what a trial holds, as measured: the cost; the more the better."""

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self is Objective.PARAMETERS else 1


class SchedulerName(StrEnum):
    """How it is decided which trials go on."""

    ASHA = "asha"
    HYPERBAND = "hyperband"
    MEDIAN = "median"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """How the next trial's parameters are chosen."""

    name: SamplerName = setting(SamplerName.TPE, help="tpe, random, gp, cmaes, qmc, grid or nsga2")
    seed: int = setting(0, help="seed of the sampler; that of a trial is base.budget.seed", at_least=0)
    startup_trials: int = setting(
        8, help="random trials before tpe, gp and cmaes model anything; the population of nsga2", at_least=1
    )


@dataclass(frozen=True, kw_only=True)
class SchedulerConfig:
    """Which trials go on at a rung."""

    name: SchedulerName = setting(SchedulerName.ASHA, help="asha, hyperband, median or none")
    grace_epochs: int = setting(1, help="epochs of the first rung; no trial stops before", at_least=1)
    reduction_factor: int = setting(3, help="eta: 1 trial in eta goes on; rungs lie a factor eta apart", at_least=2)
    report_every: int | None = setting(None, help="validate at every so many epochs too", at_least=1)


class GpuShare(StrEnum):
    """What a trial's GPUs may be besides a number."""

    AUTO = "auto"
    """Measured before the first trial: as many trials share a GPU as its memory holds."""


@dataclass(frozen=True, kw_only=True)
class ResourcesConfig:
    """What one trial holds while it runs."""

    cpus: float = setting(1.0, help="CPUs of a trial", above=0)
    gpus: float | GpuShare = setting(
        0.0, help="GPUs of a trial; a fraction shares one, auto measures how many trials one holds", at_least=0
    )
    max_concurrent: int | None = setting(None, help="most trials at once; none: all that fit", at_least=1)
    max_failures: int = setting(
        3, help="a search ends when more trials than this failed for reasons of their own", at_least=0
    )
    retries: int = setting(
        3, help="times a trial is taken up again after its worker died or hung; lost machines do not count", at_least=0
    )
    silence_minutes: float | None = setting(
        None,
        help="minutes without a sign of life after which a worker is killed; none: 20 median epochs, 5 min to 2 h",
        above=0,
    )
    trial_hours: float | None = setting(
        None, help="the longest that a trial may hold a worker in one go; then it is killed, as one that hangs", above=0
    )

    def __post_init__(self) -> None:
        if isinstance(self.gpus, float) and self.gpus > 1 and self.gpus % 1:
            raise ConfigError(
                Problem(
                    field="gpus",
                    rule="a whole number above 1",
                    value=self.gpus,
                    remedy="a part of one GPU, such as 0.5, or whole ones",
                )
            )

    @property
    def given_gpus(self) -> float:
        """GPUs of a trial as far as the file says; none where they are to be measured."""
        return self.gpus if isinstance(self.gpus, float) else 0.0


@dataclass(frozen=True, kw_only=True)
class StopConfig:
    """When a search ends before its number of trials. What is at work then is let finish, unless time is up."""

    hours: float | None = setting(
        None, help="wall-clock hours of one driver; then trials end at their next report", above=0
    )
    gpu_hours: float | None = setting(
        None, help="GPU-hours of all trials; then trials end at their next report", above=0
    )
    target: float | None = setting(None, help="validation kNN top-1 that is good enough", above=0, at_most=1)
    patience: int | None = setting(None, help="complete trials without a new best after which it ends", at_least=1)
    improvement: float | None = setting(
        None,
        help="kNN top-1 below which what is still to gain is not worth a trial, as Optuna's terminator bounds it",
        above=0,
        below=1,
    )


@dataclass(frozen=True, kw_only=True)
class Space:
    """A checked space file.

    ``search`` is the file's section as written; :func:`parameters_of` gives what it means.
    """

    name: str = setting("", help="name of the search; the file's own by default")
    description: str = setting("", help="what is searched and why")
    extends: str | None = setting(None, help="a space file over which this one is laid")
    objectives: tuple[Objective, ...] = setting(
        (Objective.KNN,), help="knn_top1, then what it is weighed against: parameters, sequences_per_s"
    )
    base: TrialConfig = field(default_factory=TrialConfig)
    search: Mapping[str, Any] = field(default_factory=dict)
    constraints: tuple[str, ...] = setting(
        (), help="comparisons between fields that every trial meets, such as model.layers * model.heads <= 8"
    )
    points: tuple[Mapping[str, Any], ...] = setting((), help="points to try first, after the base")
    warm_start: tuple[str, ...] = setting((), help="searches whose best points are tried first")
    trials: int = setting(16, help="trials of the search", at_least=1)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    resources: ResourcesConfig = field(default_factory=ResourcesConfig)
    stop: StopConfig = field(default_factory=StopConfig)
    protocol: str = setting("xsub", help="how train, validation and test are chosen (data protocol)")
    transfer: str | None = setting(
        None, help="a prepared folder on which transfer is measured; none: the generated transfer dataset"
    )
    transfer_protocol: str = setting("xsub", help="protocol of the transfer dataset")


@dataclass(frozen=True, kw_only=True)
class CheckedSpace:
    """A space with its parameters, in an order in which conditions come before what depends on them."""

    settings: Space
    parameters: tuple[Parameter, ...]
    constraints: tuple[Constraint, ...]
    source: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the search unless another is given."""
        return self.settings.name

    @property
    def base(self) -> TrialConfig:
        """The settings around which the search varies: the released ones where the file gives none."""
        return self.settings.base

    @property
    def searched(self) -> tuple[str, ...]:
        """The dotted fields that the search sets."""
        return tuple(field for parameter in self.parameters for field in parameter.fields)

    def active(self, values: Mapping[str, Scalar | None]) -> tuple[Parameter, ...]:
        """The parameters whose conditions hold, given dotted field values."""
        return tuple(
            parameter
            for parameter in self.parameters
            if all(values[condition.name] in condition.values for condition in parameter.when)
        )

    def values(self, draw: Callable[[Range | Choice], Scalar]) -> dict[str, Scalar]:
        """The fields of a point: draws the coordinates of every parameter whose conditions hold, in order."""
        known = flatten(self.base)
        values: dict[str, Scalar] = {}
        for parameter in self.parameters:
            if parameter in self.active(known | values):
                values |= parameter.decode({axis.name: draw(axis) for axis in parameter.coordinates()})
        return values

    def nearest(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The coordinates of the point of the space that is nearest to dotted field ``values``."""
        drawn: dict[str, Scalar] = {}
        for parameter in self.parameters:
            drawn |= parameter.encode(values)
        return drawn

    def place(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The fields of the point of the space that is nearest to ``values``, which has every searched field."""
        drawn = self.nearest(values)
        return self.values(lambda axis: drawn[axis.name])

    def admits(self, values: Mapping[str, Scalar]) -> bool:
        """Whether the constraints hold; fields that ``values`` lacks are the base's."""
        known = flatten(self.base) | dict(values)
        return all(constraint.holds(known) for constraint in self.constraints)

    def config(self, values: Mapping[str, Scalar]) -> TrialConfig:
        """The trial that has ``values`` at dotted fields and the base elsewhere.

        Raises:
            ConfigError: the values break a rule between fields.
        """
        return replace(self.base, values)
