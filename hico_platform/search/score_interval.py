"""How far the score of a trial might be from what other people would give: its 95 % interval."""

from __future__ import annotations

NORMAL_95 = 1.959964
"""Standard errors to either side of a 95 % interval."""


def score_interval(score: float | None, standard_error: float | None) -> tuple[float, float] | None:
    """The ends of the 95 % interval of a share of sequences, within 0 and 1; None where its noise is not known."""
    if score is None or standard_error is None:
        return None
    half = NORMAL_95 * standard_error
    return max(0.0, score - half), min(1.0, score + half)
