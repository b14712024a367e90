"""Whether the sequences that a search scores on can tell its trials apart."""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.enums import Clusters, Signal

COARSE = 0.05
"""A standard error from which on trials cannot be told apart: good and bad settings differ by some ten points."""


@dataclass(frozen=True, kw_only=True)
class ValidationNoise:
    """How sure a score is, before any trial has run.

    Args:
        signal: what the search goes by.
        sequences: how many are scored.
        persons: of how many people, or of how many of its ``clusters``.
        clusters: what ``persons`` counts: videos where no person is known.
        score: of the poses themselves, by 1-NN.
        standard_error: of that score.
    """

    signal: Signal
    sequences: int
    persons: int
    clusters: Clusters = Clusters.PERSONS
    score: float
    standard_error: float

    @property
    def is_coarse(self) -> bool:
        """Whether differences of ten points between trials are noise."""
        return self.standard_error >= COARSE

    @property
    def warning(self) -> str | None:
        """What to say of too few sequences, or of a single person's, in a line; None where there are enough."""
        known = self.clusters is not Clusters.SEQUENCES and self.persons < self.sequences
        alone = known and self.persons == 1
        if not (self.is_coarse or alone):
            return None
        part = "the training part" if self.signal is Signal.KNN_SUBJECTS else "validation"
        persons = f" of {self.clusters.counted(self.persons)}" if known else ""
        error, noise = (_points(times * self.standard_error) for times in (1, 2))
        found = f"{part} has {self.sequences} sequences{persons}: "
        if alone:
            found += f"nobody knows how other {self.clusters} would score, nor how sure a score is"
        else:
            found += f"the standard error of a score is {error}, so differences under {noise} are noise"
        if self.signal is Signal.KNN_SUBJECTS:
            return f"{found}; more recordings would help"
        return f"{found}; objectives: [{Signal.KNN_SUBJECTS}] scores all training subjects"


def _points(share: float) -> str:
    """A share in points, without decimals."""
    return f"{100 * share:.0f} points"
