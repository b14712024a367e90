"""The ledger: the one record of a search.

What a trial is given, reports, is answered and ends with is written here before anything else acts on it. So an
interrupted search is resumed, a finished one extended and a running one watched from the ledger alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hico_platform.config.document import Document
from hico_platform.config.schema import Scalar, parse, to_mapping
from hico_platform.config.space import CheckedSpace
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Decision
from hico_platform.errors import ConfigError
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.messages import EpochReport
from hico_platform.search.pauses import Pause
from hico_platform.search.requests import Answer, Request
from hico_platform.search.tags import TagRecord

Metrics = Mapping[str, float]


class TrialState(StrEnum):
    """The recorded state of a trial (what pages show is :class:`~hico_platform.search.state.TrialStatus`)."""

    RUNNING = "running"
    """Begun and not ended: running, or interrupted and to be resumed."""

    COMPLETE = "complete"
    """Trained for the whole budget."""

    PRUNED = "pruned"
    """Stopped at a rung."""

    FAILED = "failed"
    """Could not go on; the reason is recorded."""

    @property
    def is_final(self) -> bool:
        """Whether the trial is over."""
        return self is not TrialState.RUNNING


class Origin(StrEnum):
    """Where a trial's values come from."""

    RELEASED = "released"
    """The released settings, or the nearest point of the space: the first trial."""

    BASE = "base"
    """The settings around which the search varies, where they are others."""

    LISTED = "listed"
    """A point that the space file lists."""

    WARM_START = "warm start"
    """The best of an earlier search."""

    SAMPLER = "sampler"

    ADDED = "added"
    """A point that a person added while the search ran."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a search's results depend on besides its space; a resumed search must have the same."""

    data_digest: str
    protocol: str
    code_version: str
    seed: int
    more: Mapping[str, Scalar | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReportRecord(EpochReport):
    """A trial's report and its answer, as the ledger keeps them.

    ``history`` leaves out epochs that an earlier report has; ``checkpoint`` is relative to the folder of the search's
    trials where it lies inside.

    Args:
        value: of the first objective, by which trials are stopped and the best is chosen.
        decision: the answer.
        at_s: Unix time of the answer.
        measures: one value for each objective of the space; the first is ``value``.
        standard_error: of ``value``; None in reports of older versions.
    """

    value: float
    decision: Decision
    at_s: float
    measures: tuple[float, ...] = ()
    standard_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a trial ended. ``metrics`` are the downstream metrics; a failed trial has a reason instead.

    An ``excused`` failure does not count for ``resources.max_failures``, since the trial did not cause it.
    """

    state: TrialState
    epoch: int
    at_s: float
    metrics: Metrics = field(default_factory=dict)
    checkpoint: str | None = None
    reason: str | None = None
    traceback: str | None = None
    excused: bool = False


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial as the ledger knows it.

    ``values`` are the searched fields' values (dotted names); a field whose condition does not hold is absent.
    ``config`` is the whole configuration that the trial began with, as plain values: a space may change when its
    search is resumed, a trial never does. Only trials of older versions have none. ``pauses`` are those after which it
    was handed out again, or which it waits in.
    """

    number: int
    state: TrialState
    values: Mapping[str, Scalar]
    origin: Origin
    began_at_s: float
    config: Mapping[str, Any] | None = None
    reports: tuple[ReportRecord, ...] = ()
    ending: Ending | None = None
    run_id: str | None = None
    pauses: tuple[Pause, ...] = ()

    @property
    def epoch(self) -> int:
        """The last epoch that is known of."""
        if self.ending is not None:
            return self.ending.epoch
        return self.reports[-1].epoch if self.reports else 0

    @property
    def value(self) -> float | None:
        """The first objective at the last report."""
        return self.reports[-1].value if self.reports else None

    @property
    def standard_error(self) -> float | None:
        """The standard error of ``value``, where it is known."""
        return self.reports[-1].standard_error if self.reports else None

    @property
    def machine(self) -> str | None:
        """The machine of the last report; older versions recorded none."""
        return self.reports[-1].machine if self.reports else None

    @property
    def measures(self) -> tuple[float, ...]:
        """One value for each objective, at the last report; empty before the first."""
        return self.reports[-1].measures if self.reports else ()

    @property
    def curve(self) -> dict[int, float]:
        """Epoch to the first objective."""
        return {report.epoch: report.value for report in self.reports}


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """A search as the ledger knows it, without its trials.

    ``key`` tells it from every other search, also from one of the same name that was deleted, or is kept in another
    database; searches of older versions have none. ``former_names`` are those that it had before it was renamed, the
    first one first.
    """

    name: str
    source: Mapping[str, Any]
    facts: Facts
    limit: int
    began_at_s: float
    key: str = ""
    former_names: tuple[str, ...] = ()

    @property
    def first_name(self) -> str:
        """The name that it began with: part of the keys of its runs and of its retrainings, which a rename keeps."""
        return self.former_names[0] if self.former_names else self.name


class Ledger(ABC):
    """The record of one search. Every method has taken effect when it returns."""

    @property
    @abstractmethod
    def search(self) -> SearchRecord:
        """The space, the facts and the limit of this search."""

    @abstractmethod
    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials that were begun, by number."""

    @abstractmethod
    def begin(self, space: CheckedSpace, *, at_s: float, first: Sequence[int] = ()) -> TrialRecord:
        """Begins the next trial: the next that was enqueued, else what the sampler proposes.

        The waiting points of the numbers ``first`` come before the others, in that order.
        """

    @abstractmethod
    def waiting(self) -> tuple[int, ...]:
        """The numbers that enqueued points will have as trials."""

    @abstractmethod
    def enqueue(self, values: Mapping[str, Scalar], *, space: CheckedSpace, origin: Origin) -> None:
        """Enqueues a point, or the nearest one of the space, before what the sampler proposes."""

    @abstractmethod
    def record_report(self, number: int, report: ReportRecord) -> None:
        """Adds a report; one at an epoch that is recorded already changes nothing."""

    @abstractmethod
    def record_run(self, number: int, run_id: str) -> None:
        """Notes the trial's run in the tracking store."""

    @abstractmethod
    def record_ending(self, number: int, ending: Ending) -> None:
        """Ends a trial; one that has ended already is left as it is."""

    @abstractmethod
    def set_note(self, key: str, value: Any) -> None:
        """Keeps a plain value with the search, such as the run of the search in the tracking store."""

    @abstractmethod
    def note(self, key: str) -> Any:
        """A value that was kept, or nothing."""

    @abstractmethod
    def requests(self) -> tuple[Request, ...]:
        """What people asked of this search, in order, with the answers."""

    @abstractmethod
    def record_request(self, request: Request) -> None:
        """Adds a request, which the driver obeys at its next look."""

    @abstractmethod
    def record_answer(self, key: str, answer: Answer) -> None:
        """Answers the request of that key."""

    @abstractmethod
    def tags(self) -> tuple[TagRecord, ...]:
        """The tags of this search, by name."""

    @abstractmethod
    def set_tag(self, tag: TagRecord) -> None:
        """Tags the search."""

    @abstractmethod
    def remove_tag(self, name: str) -> None:
        """Takes a tag away; one that there is not changes nothing."""

    @abstractmethod
    def drivers(self) -> tuple[DriverRecord, ...]:
        """The processes that ran this search, in order; older versions recorded none."""

    @abstractmethod
    def record_driver(self, driver: DriverRecord) -> None:
        """Adds the process that runs this search from now on; the one that was added last changes nothing."""

    @abstractmethod
    def reopen(self, *, source: Mapping[str, Any], limit: int) -> None:
        """Replaces the space and the limit, which changed since the search began."""


def whole_config(space: CheckedSpace, values: Mapping[str, Scalar]) -> Mapping[str, Any] | None:
    """What a trial with ``values`` keeps as its configuration; nothing where the values break a rule between fields."""
    try:
        return to_mapping(space.config(values))
    except ConfigError:
        return None


def config_of(trial: TrialRecord, space: CheckedSpace) -> TrialConfig:
    """The configuration that a trial began with, whatever ``space`` has become since.

    Raises:
        ConfigError: it has none that is valid; the message names the broken rule.
    """
    if trial.config is None:
        return space.config(trial.values)
    return parse(TrialConfig, Document(data=dict(trial.config), file=f"trial {trial.number}"))


def best_trial(trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """The highest first objective among complete trials; if there are none, among those with the most epochs.

    Scores at different epochs are not compared: a trial that stopped early is best only where none went on.
    """
    scored = [trial for trial in trials if trial.value is not None and trial.state is not TrialState.FAILED]
    complete = [trial for trial in scored if trial.state is TrialState.COMPLETE]
    if complete:
        return max(complete, key=lambda trial: (trial.value or 0.0, -trial.number))
    return max(scored, key=lambda trial: (trial.epoch, trial.value or 0.0, -trial.number), default=None)
