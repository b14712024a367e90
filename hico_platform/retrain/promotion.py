"""Whether a retrained model becomes the champion: only where it is better beyond noise than what costs no search."""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.enums import Signal
from hico_platform.retrain.comparison import Comparison, Difference
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import METRICS
from hico_platform.tracking.base import CHALLENGER, CHAMPION

BEATEN = (Entry.RELEASED, Entry.UNTRAINED)
"""What a champion is better than."""


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """The alias that a model gets, and why.

    ``alias`` is None where no test was possible: then a version that has an alias keeps it.
    """

    alias: str | None
    reason: str

    @property
    def sentence(self) -> str:
        """The reason as a sentence."""
        return f"{self.reason[:1].upper()}{self.reason[1:]}."


def tested_metric(signal: Signal) -> str:
    """The test score that decides where a search went by ``signal``; training subjects among themselves are none."""
    return Signal.KNN_TOP1.metric if signal is Signal.KNN_SUBJECTS else signal.metric


def promotion(comparison: Comparison, *, metric: str) -> Promotion:
    """The champion is better than every entry of ``BEATEN`` in ``metric``, on the test split.

    Better is: the interval of the paired difference lies above 0, and the sign flips of the persons have a one-sided p
    below 5 %. Both entries have to be beaten, so that no correction for two tests is due.
    """
    name = f"test {METRICS.get(metric, metric)}"
    if comparison.untested is not None:
        return Promotion(alias=None, reason=f"not tested: {comparison.untested}")
    if comparison.is_released:
        return Promotion(alias=CHALLENGER, reason="it has the released settings, which a champion has to beat")
    tests = {entry: comparison.differences.get(entry, {}).get(metric) for entry in BEATEN}
    missing = [entry.heading for entry, found in tests.items() if found is None]
    if missing:
        return Promotion(alias=None, reason=f"not tested: no {name} of each sequence of {' and '.join(missing)}")
    known = {entry: found for entry, found in tests.items() if found is not None}
    failed = {entry: found for entry, found in known.items() if not found.test.better}
    said = failed or known
    against = ", ".join(f"{entry.heading} {in_words(found)}" for entry, found in said.items())
    if not failed:
        seed = "; with one seed nothing is known of how seeds differ" if comparison.seeds == 1 else ""
        return Promotion(alias=CHAMPION, reason=f"better beyond noise in {name}: over {against}{seed}")
    few = any(found.test.interval.few_persons for found in failed.values())
    why = f"; {comparison.clusters.counted(comparison.persons)} are too few to show any difference" if few else ""
    return Promotion(alias=CHALLENGER, reason=f"not better beyond noise in {name}: over {against}{why}")


def in_words(difference: Difference) -> str:
    """A difference in points with its interval and the one-sided p: ``+3.1 points [0.4, 5.9], p 0.012``."""
    test = difference.test
    low, high = 100 * test.interval.low, 100 * test.interval.high
    return f"{100 * test.difference:+.1f} points [{low:.1f}, {high:.1f}], one-sided p {test.p_greater:.3f}"
