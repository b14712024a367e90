"""Several searches side by side: their bests with intervals, and how good each was at equal cost."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.score_interval import score_interval
from hico_platform.search.status import SearchStatus, search_status
from hico_platform.search.stopping import busy_spans

STEPS = 20
"""How many costs the curves are compared at."""


@dataclass(frozen=True, kw_only=True)
class ComparedSearch:
    """One of the searches.

    Attributes:
        status: the search whole.
        trial_seconds: what it cost so far: seconds of trials on workers.
        curve: after so many seconds of trials the best complete trial had this score; in order.
    """

    status: SearchStatus
    trial_seconds: float
    curve: tuple[tuple[float, float], ...]

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of its best score, by the standard error; none where that is not known."""
        best = self.status.best
        return None if best is None else score_interval(best.value, best.standard_error)

    def best_at(self, seconds: float) -> float | None:
        """The best score after so many seconds of trials; none before a trial was complete."""
        index = bisect.bisect_right([cost for cost, _ in self.curve], seconds)
        return self.curve[index - 1][1] if index else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Searches side by side.

    Attributes:
        searches: in the order in which they were named.
        costs: seconds of trials at which the curves are compared; the last is what the cheapest search took.
        differences: why the numbers are not comparable, a sentence each; empty where they are.
    """

    searches: tuple[ComparedSearch, ...]
    costs: tuple[float, ...]
    differences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "comparable": not self.differences,
            "differences": list(self.differences),
            "costs_s": list(self.costs),
            "searches": [
                {
                    "name": one.status.search.name,
                    "state": str(one.status.state),
                    "signal": str(one.status.space.settings.objectives[0]),
                    "trial_seconds": one.trial_seconds,
                    "gpu_hours": one.status.cost.gpu_hours,
                    "best": None if one.status.best is None else _best(one, one.status.best),
                    "best_at_cost": [one.best_at(cost) for cost in self.costs],
                }
                for one in self.searches
            ],
        }


def compare_searches(paths: HomePaths, names: Sequence[str], *, at_s: float | None = None) -> Comparison:
    """The searches ``names`` of a home side by side.

    Raises:
        UsageError: there is no search of one of the names.
    """
    statuses = [search_status(paths, name, at_s=at_s) for name in dict.fromkeys(names)]
    searches = tuple(_compared(status) for status in statuses)
    return Comparison(
        searches=searches,
        costs=_costs([one.trial_seconds for one in searches]),
        differences=tuple(_differences(statuses)),
    )


def best_by_cost(
    trials: Sequence[TrialRecord], *, sessions: Sequence[float], now_s: float
) -> list[tuple[float, float]]:
    """The best complete trial as a curve over the cost: all seconds that trials had run on workers by then.

    Args:
        trials: of the search.
        sessions: when each of its drivers began (Unix time).
        now_s: the moment (Unix time).
    """
    spans = [span for trial in trials for span in busy_spans(trial, now_s=now_s, sessions=sessions)]
    origin_s = min((begin for begin, _ in spans), default=0.0)  # sums of Unix times would lose digits
    spans = [(begin - origin_s, end - origin_s) for begin, end in spans]
    begins, ends = sorted(begin for begin, _ in spans), sorted(end for _, end in spans)
    begin_sums, end_sums = [list(itertools.accumulate(marks, initial=0.0)) for marks in (begins, ends)]

    def cost(at_s: float) -> float:
        at_s -= origin_s
        begun, ended = bisect.bisect_left(begins, at_s), bisect.bisect_left(ends, at_s)
        return (begun * at_s - begin_sums[begun]) - (ended * at_s - end_sums[ended])

    complete = [
        (trial.ending.at_s, trial.value)
        for trial in trials
        if trial.state is TrialState.COMPLETE and trial.ending is not None and trial.value is not None
    ]
    curve: list[tuple[float, float]] = []
    for at_s, value in sorted(complete):
        if not curve or value > curve[-1][1]:
            curve.append((cost(at_s), value))
    return curve


def _compared(status: SearchStatus) -> ComparedSearch:
    counted = [trial for trial in status.trials if trial.ending is not None or status.driver is not None]
    curve = best_by_cost(counted, sessions=status.sessions, now_s=status.at_s)
    whole_s = status.cost.trial_hours * 3600
    # Both are sums in an order of their own, and may differ by a rounding.
    return ComparedSearch(
        status=status, trial_seconds=whole_s, curve=tuple((min(cost, whole_s), best) for cost, best in curve)
    )


def _costs(totals: Sequence[float]) -> tuple[float, ...]:
    cheapest = min(totals, default=0.0)
    return tuple(cheapest * ((step + 1) / STEPS) for step in range(STEPS)) if cheapest > 0 else ()


def _differences(statuses: Sequence[SearchStatus]) -> list[str]:
    """What makes scores incomparable: other data, other sequences, another score, other noise."""
    found = []
    for what, of in _WHAT_SCORES_DEPEND_ON.items():
        values = {status.search.name: of(status) for status in statuses}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{value} in {name}" for name, value in values.items())
            found.append(f"{what}: {listed}")
    return found


def _split(status: SearchStatus) -> str:
    words = "all subjects" if status.space.settings.pretrains_on_validation else "validation subjects"
    count = status.search.facts.more.get("validation_sequences")
    return words if count is None else f"{words} ({count} sequences)"


def _protocol_digest(status: SearchStatus) -> str:
    """Of a protocol's file, which keeps its name when it is edited; older versions kept no word of it."""
    return str(status.search.facts.more.get("protocol_digest", "not known"))[:12]


_WHAT_SCORES_DEPEND_ON: Mapping[str, Any] = {
    "data digest": lambda status: status.search.facts.data_digest[:12],
    "protocol": lambda status: status.search.facts.protocol,
    "rule of the protocol": _protocol_digest,
    "split": _split,
    "score": lambda status: str(status.space.settings.objectives[0]),
    "epochs of a whole trial": lambda status: status.space.base.budget.epochs,
}


def _best(one: ComparedSearch, best: TrialRecord) -> dict[str, Any]:
    interval = one.interval
    value = None if best.value is None or not math.isfinite(best.value) else best.value
    return {
        "trial": best.number,
        "epoch": best.epoch,
        "value": value,
        "standard_error": best.standard_error,
        "interval": None if interval is None else list(interval),
        "values": dict(best.values),
    }
