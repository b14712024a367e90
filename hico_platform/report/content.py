"""What a report shows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ReportedTrial:
    """A trial; ``curve`` maps epochs to the score that the search goes by, ``metrics`` are those of its end.

    ``word`` is the state as the page shows it.
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

    @property
    def epoch(self) -> int:
        """The last epoch that it reported."""
        return max(self.curve, default=0)

    @property
    def value(self) -> float | None:
        """The score there."""
        return self.curve[self.epoch] if self.curve else None


@dataclass(frozen=True, kw_only=True)
class RetrainRow:
    """A row of the comparison: metric name to (mean, sample deviation or None, seeds)."""

    name: str
    scores: Mapping[str, tuple[float, float | None, int]]


@dataclass(frozen=True, kw_only=True)
class RetrainTable:
    """The comparison of one retraining, scored on the test split, with the facts that its numbers depend on.

    ``figures`` are the files of its figures, PNGs.
    """

    epochs: int
    facts: Mapping[str, str]
    rows: Sequence[RetrainRow]
    figures: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much of the spread of a score each parameter explains (shares), at ``epoch``, over ``trials`` trials."""

    shares: Mapping[str, float]
    epoch: int
    trials: int


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """A whole report.

    ``state`` is the search's state in one word, ``progress`` counts its trials (``5 of 20 trials ended``). ``score`` is
    what the page calls the validation score that it goes by, ``metric`` its name among a trial's metrics.
    ``rungs`` are the epochs at which trials may be stopped, ``best`` is a trial's number, and ``log_parameters``
    are the fields that were searched on a log scale.
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

    @property
    def best_trial(self) -> ReportedTrial | None:
        """The best trial."""
        return next((trial for trial in self.trials if trial.number == self.best), None)

    @property
    def parameters(self) -> list[str]:
        """Every searched field, in the order in which trials name them."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.values))

    @property
    def metrics(self) -> list[str]:
        """Every metric that a trial ended with."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.metrics))
