"""What a report shows, as plain values."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ReportedTrial:
    """A trial; ``curve`` maps epochs to the score that the search goes by, ``metrics`` are those of its end.

    ``word`` is the state as the page shows it. ``errors`` are the standard errors of the curve's scores by epoch, where
    they are known, ``metric_errors`` those of the last report's metrics by name. ``spent_s`` maps epochs to the seconds
    that workers had given the trial by then, ``at_s`` to Unix times; ``busy_s`` is the sum with its downstream
    evaluation, and ``ended_at_s`` when that was over. ``traceback`` is a failed trial's, ``machine`` where it ran,
    with its GPUs.
    """

    number: int
    state: str
    word: str
    origin: str
    values: Mapping[str, object]
    curve: Mapping[int, float]
    metrics: Mapping[str, float]
    seconds: float | None
    reason: str | None
    run_id: str | None
    errors: Mapping[int, float] = field(default_factory=dict)
    metric_errors: Mapping[str, float] = field(default_factory=dict)
    spent_s: Mapping[int, float] = field(default_factory=dict)
    at_s: Mapping[int, float] = field(default_factory=dict)
    busy_s: float | None = None
    ended_at_s: float | None = None
    traceback: str | None = None
    machine: str | None = None

    @functools.cached_property
    def epoch(self) -> int:
        """The last epoch that it reported."""
        return max(self.curve, default=0)

    @property
    def value(self) -> float | None:
        """The score there."""
        return self.curve[self.epoch] if self.curve else None

    @property
    def error(self) -> float | None:
        """The standard error of that score, where it is known."""
        return self.errors.get(self.epoch)

    @property
    def is_complete(self) -> bool:
        """Whether it was trained for the whole budget."""
        return self.state == "complete"

    @property
    def evaluation_s(self) -> float | None:
        """Seconds of the downstream evaluation after its last report; None before it has ended."""
        if self.ended_at_s is None or self.busy_s is None or not self.spent_s:
            return None
        return max(0.0, self.busy_s - self.spent_s[self.epoch])


@dataclass(frozen=True, kw_only=True)
class RetrainRow:
    """A row of the comparison: metric name to (mean, sample deviation or None, seeds)."""

    name: str
    scores: Mapping[str, tuple[float, float | None, int]]


@dataclass(frozen=True, kw_only=True)
class RetrainDifference:
    """How far the best configuration is above the row ``name`` in one metric, with the 95 % interval and p.

    ``p`` is two-sided, by Holm over all that is shown; ``p_one_sided`` is what a champion is tested by.
    """

    name: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_one_sided: float
    better: bool
    method: str


@dataclass(frozen=True, kw_only=True)
class RetrainCandidate:
    """A configuration among which validation chose: its trial, the score in the search, mean and deviation of seeds."""

    trial: int
    searched: float | None
    stopped: bool
    mean: float
    deviation: float | None
    seeds: int
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class FurtherCell:
    """A score of a task beyond the quick ones: mean, deviation and number of seeds, and its 95 % interval if known."""

    mean: float
    deviation: float | None
    seeds: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class RetrainTable:
    """The comparison of one retraining, scored on the test split, with the facts that its numbers depend on.

    ``figures`` are the files of its figures, PNGs; ``drawn`` are the numbers of those that the page draws itself.
    ``intervals`` holds 95 % intervals (low, high) by row and metric, ``headings`` what tables call a metric.
    ``verdict`` says why the model is ``alias`` (champion or challenger); ``metric`` is the one that decides.
    ``further`` are scores of tasks beyond the quick ones by row and name; ``lacking`` says which have none, and why.
    ``untested`` is why there is neither interval nor test, where there is none. ``counted`` says over what intervals
    are: ``8 persons``.
    """

    epochs: int
    facts: Mapping[str, str]
    rows: Sequence[RetrainRow]
    figures: Sequence[str] = ()
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    differences: Sequence[RetrainDifference] = ()
    candidates: Sequence[RetrainCandidate] = ()
    headings: Mapping[str, str] = field(default_factory=dict)
    metric: str = "knn_top1"
    alias: str | None = None
    verdict: str | None = None
    untested: str | None = None
    persons: int = 0
    counted: str = ""
    seeds: int = 0
    drawn: Mapping[str, Any] = field(default_factory=dict)
    further: Mapping[str, Mapping[str, FurtherCell]] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much of the spread of a score each parameter explains (shares), at ``epoch``, over ``trials`` trials."""

    shares: Mapping[str, float]
    epoch: int
    trials: int
    errors: Mapping[str, float] = field(default_factory=dict)
    """The standard errors of the shares over ``draws`` resamplings of the trials; empty where there are none."""
    draws: int = 0


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """A whole report.

    ``state`` is the search's state in one word, ``progress`` counts its trials (``5 of 20 trials ended``). ``score`` is
    what the page calls the validation score that it goes by, ``metric`` its name among a trial's metrics.
    ``rungs`` are the epochs at which trials may be stopped, ``best`` is a trial's number, and ``log_parameters``
    are the fields that were searched on a log scale.

    ``named_importance`` is by the parameters as the space names them; a weight of a simplex is one. ``importance`` is
    by the coordinates that the sampler draws: the page does not show it. ``simplexes`` maps a group to the fields of
    its weights, ``cpus`` and ``gpus`` are what a trial holds. ``commands`` maps what a command
    does to the command, ``space`` is the space file's text, ``drivers`` the processes that ran the search,
    ``more_facts`` whatever else it depends on.
    """

    name: str
    description: str
    state: str
    progress: str
    ended_by: str | None
    limit: int
    epochs: int
    rungs: Sequence[int]
    trials: Sequence[ReportedTrial]
    best: int | None
    facts: Mapping[str, str]
    score: str = "kNN top-1"
    metric: str = "knn_top1"
    log_parameters: frozenset[str] = frozenset()
    importance: Importance | None = None
    finals: Sequence[RetrainTable] = field(default_factory=tuple)
    made: str = ""
    named_importance: Importance | None = None
    simplexes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cpus: float = 0.0
    gpus: float = 0.0
    commands: Mapping[str, str] = field(default_factory=dict)
    space: str = ""
    drivers: Sequence[Mapping[str, str]] = ()
    more_facts: Mapping[str, str] = field(default_factory=dict)
    scheduler: str = ""

    @property
    def best_trial(self) -> ReportedTrial | None:
        """The best trial."""
        return next((trial for trial in self.trials if trial.number == self.best), None)

    @functools.cached_property
    def parameters(self) -> list[str]:
        """Every searched field, in the order in which trials name them."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.values))

    @functools.cached_property
    def metrics(self) -> list[str]:
        """Every metric that a trial ended with."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.metrics))
