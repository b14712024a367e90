"""The interface of a tracking store: runs that people browse, and models that they fetch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hico_platform.tracking.dataset_inputs import DatasetInput

Param = bool | int | float | str | None

KEY_TAG = "hico.key"
"""Identifies a run: opening a run of a known key gives that run, never a second one."""

PARENT_TAG = "mlflow.parentRunId"
"""Names the run under which MLflow's pages show a run."""

USER_TAG = "mlflow.user"
"""Names the user whom MLflow's pages show with a run."""

CHAMPION = "champion"
"""The alias of a model that was better than released settings and untrained encoder beyond noise, the latest one."""

CHALLENGER = "challenger"
"""The alias of the latest model that was not."""

LOADER = "hico_platform.export"
"""The module by which MLflow loads the models that this project registers."""


class RunStatus(StrEnum):
    """The status of a run; the names are MLflow's."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True, kw_only=True)
class Point:
    """Metrics at one epoch, measured at ``at_s`` (Unix time)."""

    epoch: int
    at_s: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as the store has it, without its metrics."""

    run_id: str
    key: str
    status: RunStatus
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """An encoder that a run has trained, as it is listed beside the runs.

    Args:
        name: as it is shown.
        points: its scores as the run has them: by the same names, at the same epochs and times.
        scored_on: the dataset that they were measured on.
        params: its settings.
        tags: further facts.
        note: its description in Markdown.
    """

    name: str
    points: Sequence[Point]
    scored_on: DatasetInput | None = None
    params: Mapping[str, Param] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def epoch(self) -> int:
        """Its finished epochs."""
        return max(point.epoch for point in self.points)


class TrackingError(Exception):
    """The store is away; what was to be written can be written again.

    ``answered``: a server answered, with an error of its own.
    """

    def __init__(self, message: str, *, answered: bool = False) -> None:
        self.answered = answered
        super().__init__(message)


class TrackingRefused(Exception):  # noqa: N818  (what is refused stays refused; an error passes)
    """The store does not take what was written; writing it again would not help. ``remedy`` says what may."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        self.remedy = remedy
        super().__init__(message)


class Tracker(ABC):
    """A tracking store.

    Every method may be called again with the same arguments, and then changes nothing: a metric is known by
    run, name, epoch and time. All raise :class:`TrackingError` where the store is away, and
    :class:`TrackingRefused` where it is not.
    """

    @property
    @abstractmethod
    def address(self) -> str:
        """Where the store is, without passwords."""

    @abstractmethod
    def check(self, experiment: str) -> None:
        """Opens the experiment, so that a store that will take nothing is known before work begins."""

    @abstractmethod
    def runs(self, experiment: str) -> Mapping[str, Run]:
        """The runs of an experiment by key."""

    @abstractmethod
    def open_run(
        self,
        *,
        experiment: str,
        key: str,
        name: str,
        parent: str | None,
        params: Mapping[str, Param],
        tags: Mapping[str, str],
        at_s: float,
        fresh: bool = False,
        note: str | None = None,
        datasets: Sequence[DatasetInput] = (),
    ) -> str:
        """The id of the run ``key``, begun or taken up again; ``fresh`` promises that there is none yet.

        A run that is taken up again keeps the parameters that it has, and a note that a person wrote.

        Args:
            experiment: is made where there is none.
            key: identifies the run.
            name: as it is shown.
            parent: the run under which it is shown.
            params: its settings.
            tags: are added to those that it has.
            at_s: when it began.
            fresh: promises that there is none yet.
            note: its description in Markdown.
            datasets: what it trains and is scored on, each once.
        """

    @abstractmethod
    def run(self, run_id: str) -> Run:
        """A run by its id."""

    @abstractmethod
    def page(self, experiment: str, run_id: str) -> str:
        """The address of a run's page, for links in notes; makes no request where the run was opened here."""

    @abstractmethod
    def set_experiment_tags(self, experiment: str, tags: Mapping[str, str]) -> None:
        """Adds tags to an experiment or changes them; a description that it has stays."""

    @abstractmethod
    def log_points(self, run_id: str, points: Sequence[Point], *, tags: Mapping[str, str] | None = None) -> None:
        """Logs metrics of one or more epochs, and tags, in one request."""

    @abstractmethod
    def log_folder(self, run_id: str, folder: Path, *, name: str) -> None:
        """Keeps a file or a folder as artifact ``name``."""

    @abstractmethod
    def remove_artifact(self, run_id: str, *, name: str) -> None:
        """Removes artifact ``name``, a file or a folder with all that is in it, if there is one."""

    @abstractmethod
    def log_text(self, run_id: str, text: str, *, name: str) -> None:
        """Keeps a text as artifact ``name``."""

    @abstractmethod
    def log_image(self, run_id: str, file: Path, *, name: str, epoch: int) -> None:
        """Shows a picture, a PNG file, among the charts of a run's page; the first of a name stays."""

    @abstractmethod
    def log_model(self, run_id: str, model: TrainedModel) -> None:
        """Lists the model that a run has trained, with its scores, and links it to the run, which has one."""

    @abstractmethod
    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Adds tags to a run, ended or not, or changes them."""

    @abstractmethod
    def close_run(
        self, run_id: str, *, status: RunStatus, points: Sequence[Point], tags: Mapping[str, str], at_s: float
    ) -> None:
        """Adds last metrics and tags, and ends the run."""

    @abstractmethod
    def alias_of(self, name: str, run_id: str) -> str | None:
        """The alias that the version of a run's model has, if there is one with an alias."""

    @abstractmethod
    def register_champion(
        self,
        name: str,
        *,
        run_id: str,
        model: Path,
        loader: str,
        description: str,
        tags: Mapping[str, str],
        alias: str | None = CHAMPION,
    ) -> Registered:
        """Keeps the folder ``model`` with the run and registers it under an alias.

        ``loader`` is the module that turns the folder into a callable model, so that none is pickled. A run whose
        model is registered already keeps its version, which gets the new description and tags.

        ``alias`` is ``CHAMPION`` or ``CHALLENGER``: it moves to this version, and where this version had the other one
        it loses it. None leaves a version its alias; one without any becomes the challenger.
        """


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A version of a registered model with its alias."""

    version: int
    alias: str


def alias_for(asked: str | None, held: Collection[str]) -> str:
    """The alias that a version gets which holds those already; ``asked`` as ``Tracker.register_champion`` takes it."""
    if asked is not None:
        return asked
    return CHAMPION if CHAMPION in held else CHALLENGER
