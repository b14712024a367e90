"""How sure a score is: 95 % intervals over persons, sequences and seeds, and whether two encoders differ.

Sequences of one person resemble each other, so persons are resampled, each with all sequences (a cluster bootstrap);
where no person is known, sequences are. Several seeds on the same sequences are resampled beside the persons. The
percentiles are widened for few persons or seeds, as Student's t is wider than the normal distribution (the expanded
percentile interval of Hesterberg, "What Teachers Should Know About the Bootstrap", 2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hico_platform.enums import Clusters
from hico_platform.evaluate.scores import Score, Sums

LEVEL = 0.95
FEW_PERSONS = 5
"""With fewer, no resampling of persons says how others would do, and no sign-flip test has a p below 5 %."""

_LEAST_DRAWS, _MOST_DRAWS, _DRAWN = 2_000, 20_000, 2**25  # as many draws as are cheap: widened tails lie far out
_BLOCK = 2**22  # weights in memory at a time
_EXACT_PERSONS = 16  # all sign flips of so many are tried
_FLIPS = 9_999


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95 % interval.

    Attributes:
        low: its lower end.
        high: its upper end.
        method: what was resampled, as a table can say it.
        few_persons: whether there are fewer than ``FEW_PERSONS``: sequences were resampled too, and nobody knows how
            other persons would do.
    """

    low: float
    high: float
    method: str
    few_persons: bool = False


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Whether one encoder scores otherwise than another on the same sequences.

    Attributes:
        difference: mean score of the one less that of the other.
        interval: of the difference, over persons and over the seeds of both.
        p: two-sided, of the sign flips of persons' differences, seeds averaged.
        p_greater: one-sided: that the one is better by so much without there being a difference.
        least_p: the smallest ``p`` that so many persons can give.
        method: what was flipped, as a table can say it.
    """

    difference: float
    interval: Interval
    p: float
    p_greater: float
    least_p: float
    method: str

    @property
    def better(self) -> bool:
        """Whether the one is better beyond noise: the interval lies above 0 and the one-sided p below 5 %.

        With fewer than five persons it never is.
        """
        return self.interval.low > 0 and self.p_greater < 1 - LEVEL and not self.interval.few_persons


def interval(
    scores: Score | Sequence[Score], *, clusters: Tensor | None, kind: Clusters = Clusters.PERSONS, seed: int = 0
) -> Interval | None:
    """The interval of a score, or of the mean over several seeds' scores of the same sequences.

    ``clusters`` int64 (q,) are the persons (``EvalData.eval_subjects``), or what ``kind`` calls them; None: sequences
    are resampled one by one. ``seed`` is that of the resampling. None: a single score that knows no sequences has
    no interval. Raises ValueError for scores of different sequences.
    """
    side = _as_list(scores)
    if any(score.resampled is None for score in side):
        return over_seeds([score.value for score in side])
    exact = _exact_share(side)
    if exact is not None:
        return exact
    return _resampled(
        [side],
        clusters=clusters,
        kind=kind,
        generator=torch.Generator().manual_seed(seed),
        least=0.0,
        pivotal=_not_mean(side),
    )


def over_seeds(values: Sequence[float]) -> Interval | None:
    """The interval of the mean over seeds by Student's t; None for a single seed."""
    count = len(values)
    if count < 2:
        return None
    numbers = torch.tensor(values, dtype=torch.float64)
    middle, half = float(numbers.mean()), _student(count - 1) * float(numbers.std()) / math.sqrt(count)
    return Interval(low=middle - half, high=middle + half, method=f"Student's t over {count} seeds")


def paired(
    one: Score | Sequence[Score],
    other: Score | Sequence[Score],
    *,
    clusters: Tensor | None,
    kind: Clusters = Clusters.PERSONS,
    seed: int = 0,
) -> PairedTest:
    """Compares two encoders, each with one score or with one of each seed, on the same sequences.

    The seeds of a side are averaged first. Without a difference each person's sum of differences would as likely have
    the other sign: all flips are tried for few persons, ``_FLIPS`` random ones else. Raises ValueError for scores that
    are no means over sequences, or of different sequences.
    """
    sides = [_as_list(one), _as_list(other)]
    first, second = (_mean_over_seeds(side) for side in sides)
    if len(first) != len(second):
        raise ValueError(f"scores of {len(first)} and of {len(second)} sequences cannot be paired")
    generator = torch.Generator().manual_seed(seed)
    persons = _numbered(clusters, len(first))
    count = int(persons.max()) + 1
    sums = torch.zeros(count, dtype=torch.float64).index_add_(0, persons, first - second)
    p, p_greater, exact = _sign_flips(sums, generator)
    blocks = (Clusters.SEQUENCES if clusters is None else kind).counted(count)
    found = _resampled(sides, clusters=clusters, kind=kind, generator=generator, least=-1.0, pivotal=False)
    return PairedTest(
        difference=float((first - second).mean()),
        interval=found,
        p=p,
        p_greater=p_greater,
        least_p=2.0 ** (1 - count) if exact else 1 / (1 + _FLIPS),
        method=f"sign flips of {blocks}, {'all' if exact else f'{_FLIPS:,} of'} flips",
    )


def _as_list(scores: Score | Sequence[Score]) -> list[Score]:
    return [scores] if isinstance(scores, Score) else list(scores)


def _not_mean(side: list[Score]) -> bool:
    return any(score.per_sequence is None for score in side)


def _mean_over_seeds(side: list[Score]) -> Tensor:
    """(q,), each sequence's part in the mean over seeds."""
    parts = [score.per_sequence for score in side if score.per_sequence is not None]
    if len(parts) < len(side) or not parts:
        raise ValueError("only scores that are means over sequences can be paired")
    return torch.stack(parts).mean(dim=0)


def _numbered(clusters: Tensor | None, sequences: int) -> Tensor:
    """Persons (q,) from 0 on without gaps; every sequence its own where none is known."""
    if clusters is None:
        return torch.arange(sequences)
    if len(clusters) != sequences:
        raise ValueError(f"{len(clusters)} persons for {sequences} sequences")
    numbers: Tensor = clusters.cpu().unique(return_inverse=True)[1]
    return numbers


def _exact_share(side: list[Score]) -> Interval | None:
    """Where all sequences are right, or all wrong, nothing can be resampled: the interval of Clopper and Pearson."""
    parts = [score.per_sequence for score in side if score.per_sequence is not None]
    if len(parts) < len(side):
        return None
    values = torch.stack(parts)
    bound = ((1 - LEVEL) / 2) ** (1 / values.shape[1])
    method = f"exact (Clopper-Pearson) over {values.shape[1]} sequences that are all alike"
    if bool((values == 1).all()):
        return Interval(low=bound, high=1.0, method=method)
    if bool((values == 0).all()):
        return Interval(low=0.0, high=1 - bound, method=method)
    return None


def _resampled(
    sides: list[list[Score]],
    *,
    clusters: Tensor | None,
    kind: Clusters,
    generator: torch.Generator,
    least: float,
    pivotal: bool,
) -> Interval:
    """Of the first side's mean over seeds, less the second's where there is one; within ``least`` and 1.

    ``pivotal``: the percentiles are mirrored at the estimate, which removes the bias of a number that resampling
    raises, such as a sum of absolute values.
    """
    terms = [[_terms(score) for score in side] for side in sides]
    sequences = len(terms[0][0].terms)
    if any(len(sums.terms) != sequences for side in terms for sums in side):
        raise ValueError("the scores are of different numbers of sequences")
    persons = _numbered(clusters, sequences)
    count = int(persons.max()) + 1
    few = clusters is not None and count < FEW_PERSONS
    if few and count == 1:
        persons, count = torch.arange(sequences), sequences
    two_stage = few and count < sequences
    units = torch.arange(sequences) if two_stage else persons
    statistics = [_Side.of(side, units=units) for side in terms]
    draws, over_persons = [], []
    size = min(_MOST_DRAWS, max(_LEAST_DRAWS, _DRAWN // (int(units.max()) + 1)))
    for weights in _weights(persons, draws=size, two_stage=two_stage, generator=generator):
        values = [side.values(weights) for side in statistics]  # (s, b) of each side
        over_persons.append(_difference([value.mean(dim=0) for value in values]))
        draws.append(_difference([_seeds_resampled(value, generator) for value in values]))
    drawn = torch.cat(draws)
    estimates = [side.values(torch.ones(1, int(units.max()) + 1, dtype=torch.float64))[:, 0] for side in statistics]
    spreads = [(float(torch.cat(over_persons).var(correction=0)), count)]
    spreads += [(float(each.var(correction=0)) / len(each), len(each)) for each in estimates if len(each) > 1]
    tail = _tail(spreads)
    low, high = torch.quantile(drawn, torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    if pivotal:
        estimate = float(_difference([each.mean() for each in estimates]))
        low, high = 2 * estimate - high, 2 * estimate - low
    seeds = max(len(side) for side in sides)
    return Interval(
        low=min(1.0, max(least, low)),
        high=min(1.0, max(least, high)),
        method=_method(clusters, kind=kind, seeds=seeds, sequences=sequences, few=few),
        few_persons=few,
    )


def _method(clusters: Tensor | None, *, kind: Clusters, seeds: int, sequences: int, few: bool) -> str:
    what = Clusters.SEQUENCES.counted(sequences) if clusters is None else kind.counted(len(clusters.unique()))
    also = f" and {seeds} seeds" if seeds > 1 else ""
    if few:
        return f"bootstrap over {what}{also}, and the sequences of each: too few {kind} to tell how others do"
    return f"bootstrap over {what}{also}"


def _terms(score: Score) -> Sums:
    if score.resampled is None:
        raise ValueError("a score that knows no sequences has no interval")
    return score.resampled


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One encoder's score: ``terms`` (s, u, m), the sums over each unit (a person, or a sequence) by seed."""

    terms: Tensor
    function: Callable[[Tensor], Tensor]

    @classmethod
    def of(cls, seeds: list[Sums], *, units: Tensor) -> _Side:
        count = int(units.max()) + 1
        summed = [
            torch.zeros(count, sums.terms.shape[1], dtype=torch.float64).index_add_(0, units, sums.terms)
            for sums in seeds
        ]
        return cls(terms=torch.stack(summed), function=seeds[0].function)

    def values(self, weights: Tensor) -> Tensor:
        """(s, b): the score of each seed under how often (b, u) each unit was drawn."""
        return self.function(weights @ self.terms)


def _difference(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else values[0] - values[1]


def _seeds_resampled(values: Tensor, generator: torch.Generator) -> Tensor:
    """(b,), means over as many seeds as there are, drawn with replacement from values (s, b)."""
    picked = torch.randint(len(values), values.shape, generator=generator)
    return values.gather(0, picked).mean(dim=0)


def _weights(persons: Tensor, *, draws: int, two_stage: bool, generator: torch.Generator) -> Iterator[Tensor]:
    """How often each person was drawn, or in ``two_stage`` each sequence of the persons drawn: blocks (b, u)."""
    count = int(persons.max()) + 1
    sizes = persons.bincount()
    width = len(persons) * count if two_stage else count
    order, first = persons.argsort(stable=True), sizes.cumsum(0) - sizes
    for start in range(0, draws, max(1, _BLOCK // width)):
        rows = min(max(1, _BLOCK // width), draws - start)
        drawn = torch.randint(count, (rows, count), generator=generator)  # (b, persons)
        if not two_stage:
            ones = torch.ones(1, dtype=torch.float64).expand(rows, count)
            yield torch.zeros(rows, count, dtype=torch.float64).scatter_add_(1, drawn, ones)
            continue
        size = sizes[drawn][:, :, None]  # (b, persons, 1)
        most = int(sizes.max())
        place = (torch.rand(rows, count, most, dtype=torch.float64, generator=generator) * size).long()
        sequence = order[(first[drawn][:, :, None] + place.minimum(size - 1)).flatten(1)]
        drawn_at_all = (torch.arange(most) < size).double().flatten(1)
        yield torch.zeros(rows, len(persons), dtype=torch.float64).scatter_add_(1, sequence, drawn_at_all)


def _tail(spreads: list[tuple[float, int]]) -> float:
    """The share to cut off at each end, from the variance of what was resampled and how many of them there are.

    Resampling n of n understates a variance by (n - 1) / n, and few degrees of freedom (by Satterthwaite where persons
    and seeds add up) ask for Student's t in place of the normal distribution.
    """
    known = [(variance, count) for variance, count in spreads if variance > 0 and count > 1]
    if not known:
        return (1 - LEVEL) / 2
    corrected = [(variance * count / (count - 1), count) for variance, count in known]
    total = sum(variance for variance, _ in corrected)
    freedom = total**2 / sum(variance**2 / (count - 1) for variance, count in corrected)
    wider = _student(freedom) * math.sqrt(total / sum(variance for variance, _ in known))
    return float(torch.special.ndtr(torch.tensor(-wider, dtype=torch.float64)))


def _student(freedom: float) -> float:
    """How many standard errors ``LEVEL`` reaches to either side with so many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def _sign_flips(sums: Tensor, generator: torch.Generator) -> tuple[float, float, bool]:
    """p of both sides, p of the upper one, and whether all flips of the differences ``sums`` (c,) were tried."""
    moved = sums[sums != 0]  # the sign of a zero changes nothing
    count, observed = len(moved), float(moved.sum())
    slack = 1e-9 * float(moved.abs().sum())  # sums of the same numbers in another order
    if count <= _EXACT_PERSONS:
        signs = (torch.arange(2**count)[:, None] >> torch.arange(count)) % 2 * 2 - 1
        flipped = signs.double() @ moved
        return (
            float((flipped.abs() >= abs(observed) - slack).double().mean()),
            float((flipped >= observed - slack).double().mean()),
            True,
        )
    both = upper = 1  # the signs as they are
    rows = max(1, _BLOCK // count)
    for start in range(0, _FLIPS, rows):
        shape = (min(rows, _FLIPS - start), count)
        flipped = (torch.randint(2, shape, generator=generator).double() * 2 - 1) @ moved
        both += int((flipped.abs() >= abs(observed) - slack).sum())
        upper += int((flipped >= observed - slack).sum())
    return both / (1 + _FLIPS), upper / (1 + _FLIPS), False
