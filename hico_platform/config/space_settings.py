"""The sections of a space file as models, and a checked space with what samplers and trials ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from hico_platform.config.cluster import ClusterConfig
from hico_platform.config.constraint import Constraint
from hico_platform.config.parameters import Choice, Parameter, Range
from hico_platform.config.pydantic_errors import broken_rule
from hico_platform.config.schema import Number, Scalar, Settings, Whole, flatten, replace
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Signal
from hico_platform.plug_in_names import NamesWithPlugIns, PlugInGroup

MOST_TRIALS = 1_000_000
"""Of one search: a driver has each in memory."""


class SamplerName(NamesWithPlugIns):
    """How the next trial's parameters are chosen."""

    TPE = "tpe"
    RANDOM = "random"
    GP = "gp"
    CMAES = "cmaes"
    QMC = "qmc"
    GRID = "grid"
    NSGA2 = "nsga2"

    @classmethod
    def group(cls) -> PlugInGroup:
        """Samplers of other packages."""
        return PlugInGroup.SAMPLERS


class Objective(StrEnum):
    """What a search improves: first a signal, a validation score; then what that is weighed against."""

    KNN = Signal.KNN_TOP1.value
    KNN_MEAN = Signal.KNN_MEAN.value
    MAP = Signal.MAP.value
    LINEAR = Signal.LINEAR.value
    KNN_SUBJECTS = Signal.KNN_SUBJECTS.value

    PARAMETERS = "parameters"
    """Parameters of the encoder that downstream tasks use; the fewer the better."""

    SPEED = "sequences_per_s"
    """Measured training speed, sequences per second on the resources of one trial; the more the better."""

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self is Objective.PARAMETERS else 1

    @property
    def signal(self) -> Signal | None:
        """The validation score that this is; None for what it is weighed by."""
        return Signal(self.value) if self.value in set(Signal) else None

    @property
    def metric(self) -> str:
        """The name under which a trial reports it."""
        return self.value if self.signal is None else self.signal.metric


class SchedulerName(NamesWithPlugIns):
    """How it is decided which trials continue."""

    ASHA = "asha"
    HYPERBAND = "hyperband"
    MEDIAN = "median"
    NONE = "none"

    @classmethod
    def group(cls) -> PlugInGroup:
        """Schedulers of other packages."""
        return PlugInGroup.SCHEDULERS


class SamplerConfig(Settings):
    """How the next trial's parameters are chosen."""

    name: SamplerName = Field(SamplerName.TPE, description="tpe, random, gp, cmaes, qmc, grid or nsga2")
    seed: Whole = Field(0, description="seed of the sampler; that of a trial is base.budget.seed", ge=0)
    startup_trials: Whole = Field(
        8, description="random trials before tpe, gp and cmaes model anything; the population of nsga2", ge=1
    )


class SchedulerConfig(Settings):
    """Which trials continue at a rung."""

    name: SchedulerName = Field(SchedulerName.ASHA, description="asha, hyperband, median or none")
    grace_epochs: Whole = Field(1, description="epochs of the first rung; no trial stops before", ge=1)
    reduction_factor: Whole = Field(3, description="eta: 1 trial in eta goes on; rungs lie a factor eta apart", ge=2)
    report_every: Whole | None = Field(None, description="validate at every so many epochs too", ge=1)


class GpuShare(StrEnum):
    """What a trial's GPUs may be besides a number."""

    AUTO = "auto"
    """Measured before the first trial: as many trials share a GPU as its memory holds."""


_NumberOrShare = Annotated[
    Annotated[Number, Field(ge=0), Tag("number")] | Annotated[GpuShare, Tag("share")],
    Discriminator(lambda value: "share" if isinstance(value, str) else "number"),
]


class ResourcesConfig(Settings):
    """What one trial holds while it runs."""

    cpus: Number = Field(1.0, description="CPUs of a trial", gt=0)
    gpus: _NumberOrShare = Field(
        0.0, description="GPUs of a trial; a fraction shares one, auto measures how many trials one holds"
    )
    max_concurrent: Whole | None = Field(None, description="most trials at once; none: all that fit", ge=1)
    max_failures: Whole = Field(
        3, description="a search ends when more trials than this failed for reasons of their own", ge=0
    )
    retries: Whole = Field(
        3, description="times a trial is taken up again after its worker died or hung; lost machines do not count", ge=0
    )
    silence_minutes: Number | None = Field(
        None,
        description="minutes without a sign of life after which a worker is killed; none: 20 median epochs, 5 min-2 h",
        gt=0,
    )
    trial_hours: Number | None = Field(
        None,
        description="the longest that a trial may hold a worker in one go; then it is killed, as one that hangs",
        gt=0,
    )

    @model_validator(mode="after")
    def _whole_gpus(self) -> Self:
        if isinstance(self.gpus, float) and self.gpus > 1 and self.gpus % 1:
            remedy = "give a part of one GPU, such as 0.5, or whole ones"
            raise broken_rule("a whole number above 1", field=("gpus",), value=self.gpus, remedy=remedy)
        return self

    @property
    def given_gpus(self) -> float:
        """GPUs of a trial that the file gives; 0 where they are to be measured."""
        return self.gpus if isinstance(self.gpus, float) else 0.0

    @property
    def ranks(self) -> int:
        """How many processes train a trial together: one for each of several GPUs."""
        return max(1, int(self.given_gpus))


class StopConfig(Settings):
    """When a search ends before its number of trials. Running trials finish, unless time is up."""

    hours: Number | None = Field(
        None, description="wall-clock hours of one driver; then trials end at their next report", gt=0
    )
    gpu_hours: Number | None = Field(
        None, description="GPU-hours of all trials; then trials end at their next report", gt=0
    )
    target: Number | None = Field(None, description="value of the first objective that is good enough", gt=0, le=1)
    patience: Whole | None = Field(None, description="complete trials without a new best after which it ends", ge=1)
    improvement: Number | None = Field(
        None,
        description="gain of the first objective that is worth no trial; Optuna's terminator bounds what is possible",
        gt=0,
        lt=1,
    )


class Rest(StrEnum):
    """Which trials' checkpoints are cut down to their encoder."""

    REST = "rest"
    """Those of all trials that have ended and are not kept whole."""

    NONE = "none"
    """None: what is not kept whole is removed."""


class KeepConfig(Settings):
    """Which checkpoints of ended trials are kept, and what of them. What a resume needs is always kept."""

    best: Whole = Field(5, description="the best trials, whose checkpoints are kept whole", ge=1)
    per_rung: Whole = Field(
        1, description="of the trials that ended at one report epoch, how many of the best are kept whole", ge=0
    )
    encoder_only: Rest = Field(Rest.REST, description="rest: the encoder's weights of all others are kept; or none")
    days: Number | None = Field(
        None, description="days after its end until such an encoder is removed too; none: never", gt=0
    )


class Space(Settings):
    """What a search varies, around which settings, for how long and on which resources."""

    # Docstrings of models are descriptions in the JSON Schema. search_section.py reads ``search``, kept as written.

    name: str = Field("", description="name of the search; the file's own by default")
    description: str = Field("", description="what is searched and why")
    extends: str | None = Field(None, description="a space file over which this one is laid")
    objectives: tuple[Objective, ...] = Field(
        (Objective.KNN,),
        description="what the search goes by: knn_top1, knn_mean, map, linear or knn_subjects; then what that is "
        "weighed against: parameters, sequences_per_s",
    )
    base: TrialConfig = Field(default_factory=TrialConfig)
    search: Mapping[str, Any] = Field(default_factory=dict)
    constraints: tuple[str, ...] = Field(
        (), description="comparisons between fields that every trial meets, such as model.layers * model.heads <= 8"
    )
    points: tuple[Mapping[str, Any], ...] = Field((), description="points to try first, after the base")
    warm_start: tuple[str, ...] = Field((), description="searches whose best points are tried first")
    trials: Whole = Field(16, description="trials of the search", ge=1, le=MOST_TRIALS)
    sampler: SamplerConfig = Field(default_factory=SamplerConfig)
    scheduler: SchedulerConfig = Field(default_factory=SchedulerConfig)
    resources: ResourcesConfig = Field(default_factory=ResourcesConfig)
    stop: StopConfig = Field(default_factory=StopConfig)
    protocol: str = Field("xsub", description="how train, validation and test are chosen (data protocol)")
    transfer: str | None = Field(
        None, description="a prepared folder on which transfer is measured; none: the generated transfer dataset"
    )
    allow_overlap: bool = Field(
        False, description="whether sequences may be both pretrained on and scored; recorded with every number"
    )
    transfer_protocol: str = Field("xsub", description="protocol of the transfer dataset")
    notify: tuple[str, ...] = Field(
        (), description="who is told how it goes: https://HOST/PATH, or env:NAME or file:FILE that holds addresses"
    )
    keep: KeepConfig | None = Field(None, description="which checkpoints are kept; none: all of them")
    cluster: ClusterConfig = Field(default_factory=ClusterConfig)

    @property
    def signal(self) -> Signal:
        """The validation score by which trials are stopped and the best is chosen: the first objective."""
        return self.objectives[0].signal or Signal.KNN_TOP1

    @property
    def pretrains_on_validation(self) -> bool:
        """Whether trials pretrain on validation subjects too: their score sets no sequence apart."""
        return self.signal is Signal.KNN_SUBJECTS


@dataclass(frozen=True, kw_only=True)
class CheckedSpace:
    """A space with its parameters, ordered so that each comes after those that its conditions name."""

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

    def nearest_coordinates(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The coordinates of the point of the space that is nearest to dotted field ``values``."""
        drawn: dict[str, Scalar] = {}
        for parameter in self.parameters:
            drawn |= parameter.encode(values)
        return drawn

    def nearest_point(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The fields of the point of the space that is nearest to ``values``, which has every searched field."""
        drawn = self.nearest_coordinates(values)
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
