"""The first stage of a retraining: the best configurations of a search on its validation subjects, with several seeds.

The best score of a search is also the luckiest of many. Trained again with several seeds, the leading configurations
are compared by a mean in which that luck has less part; the test split is not looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hico_platform.config.schema import replace
from hico_platform.config.space import CheckedSpace
from hico_platform.config.trial import TrialConfig
from hico_platform.retrain.plan import Entry, PlannedRun, RetrainPlan, digest_of
from hico_platform.retrain.results import RunResult, Spread, spread
from hico_platform.search.ledger.base import TrialRecord, TrialState, best_trial, config_of

FOLDER = "candidates"
"""The folder of all candidates' runs, beside those of the plans."""

CANDIDATES = "candidates"
"""The fact with the numbers of the trials among which validation chose."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A configuration of a search: the number of its trial, and that trial's score in the search.

    ``stopped`` tells a trial that was stopped at a rung, whose score is of fewer epochs.
    """

    trial: int
    config: TrialConfig
    searched: float | None = None
    stopped: bool = False


@dataclass(frozen=True, kw_only=True)
class CandidateRun(PlannedRun):
    """A run of a candidate; its key has the digest of all that the score depends on."""

    trial: int
    digest: str

    @property
    def key(self) -> str:
        """For example ``trial-7-0f3a9c21d4be-seed-0``."""
        return f"trial-{self.trial}-{self.digest[:12]}-seed-{self.seed}"

    @property
    def heading(self) -> str:
        """The run on a page: ``candidate, trial 7, seed 0``."""
        return f"{self.entry.heading}, trial {self.trial}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Validated:
    """A candidate with its scores on validation, over seeds; ``chosen`` is true of one."""

    candidate: Candidate
    score: Spread
    chosen: bool


def candidates_of(trials: Sequence[TrialRecord], space: CheckedSpace, *, count: int) -> tuple[Candidate, ...]:
    """The first ``count`` different configurations, in the search's own order; fewer where it has no more.

    Complete trials come first, then those that got farthest before they were stopped. Configurations that differ in
    nothing but their seed are one.

    Raises:
        ConfigError: a trial has no valid configuration.
    """
    left = list(trials)
    found: list[Candidate] = []
    seen: list[TrialConfig] = []
    while len(found) < count and (best := best_trial(left)) is not None:
        left.remove(best)
        config = config_of(best, space)
        unseeded = replace(config, {"budget.seed": 0})
        if unseeded not in seen:
            seen.append(unseeded)
            stopped = best.state is not TrialState.COMPLETE
            found.append(Candidate(trial=best.number, config=config, searched=best.value, stopped=stopped))
    return tuple(found)


def candidate_plan(
    candidates: Sequence[Candidate], *, seeds: int, epochs: int | None, facts: Mapping[str, Any]
) -> RetrainPlan:
    """The runs of all candidates over the same seeds. ``facts`` enter their keys, but not which trial is retrained.

    A run's key depends on nothing but its own configuration and ``facts``: with more candidates or seeds, the runs that
    have ended are found again. The plan's digest is of the whole.

    Raises:
        ConfigError: ``epochs`` breaks its rule.
    """
    own = {**{name: value for name, value in facts.items() if name != "trial"}, "split": "val"}
    runs = []
    for candidate in candidates:
        config = candidate.config if epochs is None else replace(candidate.config, {"budget.epochs": epochs})
        digest = digest_of(config, own)
        runs += [
            CandidateRun(
                entry=Entry.CANDIDATE,
                seed=seed,
                config=replace(config, {"budget.seed": seed}),
                trial=candidate.trial,
                digest=digest,
            )
            for seed in range(seeds)
        ]
    whole = "\n".join(sorted(run.key for run in runs))
    return RetrainPlan(runs=tuple(runs), digest=hashlib.sha256(whole.encode()).hexdigest())


def choose(
    candidates: Sequence[Candidate], results: Mapping[str, RunResult], *, plan: RetrainPlan, metric: str
) -> tuple[Validated, ...]:
    """All candidates with their mean of ``metric`` over seeds, the highest of them chosen.

    Of equal means the one that comes first in ``candidates`` is chosen. ``results`` are those of the plan, by key.
    """
    scores = {
        candidate.trial: spread(
            [
                results[run.key].metrics[metric]
                for run in plan.runs
                if isinstance(run, CandidateRun) and run.trial == candidate.trial
            ]
        )
        for candidate in candidates
    }
    best = max(candidates, key=lambda candidate: scores[candidate.trial].mean)  # the first of equal ones
    return tuple(
        Validated(candidate=candidate, score=scores[candidate.trial], chosen=candidate is best)
        for candidate in candidates
    )


def as_plain(validated: Sequence[Validated]) -> list[dict[str, Any]]:
    """The candidates with their scores as plain values, for files and JSON."""
    return [
        {
            "trial": one.candidate.trial,
            "searched": one.candidate.searched,
            "stopped": one.candidate.stopped,
            "mean": one.score.mean,
            "std": one.score.deviation,
            "seeds": one.score.count,
            "chosen": one.chosen,
        }
        for one in validated
    ]
