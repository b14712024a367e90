"""Intervals and paired tests against scipy and plain loops, on scores whose persons differ."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from hico_platform.evaluate import intervals
from hico_platform.evaluate import intervals as module
from hico_platform.evaluate.intervals import FEW_PERSONS, Interval, interval, over_seeds, paired
from hico_platform.evaluate.scores import Score

# Draws of a bootstrap leave this much between two of them.
DRAWN = 0.006


def people(*, persons: int, each: int = 12, spread: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong (q,) and the person (q,): some persons do better, and some have more sequences."""
    random = np.random.default_rng(seed)
    skill = np.clip(random.normal(0.6, spread, persons), 0.05, 0.95)
    owner = random.permutation(np.repeat(np.arange(persons), random.integers(each // 2, 2 * each, persons)))
    return (random.random(len(owner)) < skill[owner]).astype(float), owner * 7 + 3


def score(values: np.ndarray) -> Score:
    return Score.mean_of(torch.from_numpy(values))


def of(values: np.ndarray, owner: np.ndarray | None = None) -> Interval:
    found = interval(score(values), clusters=None if owner is None else torch.from_numpy(owner))
    assert found is not None
    return found


def widened(count: int) -> float:
    """The share to cut off at each end for so many persons, by Hesterberg's formula."""
    return float(scipy.stats.norm.cdf(-np.sqrt(count / (count - 1)) * scipy.stats.t.ppf(0.975, count - 1)))


def test_without_persons_it_is_the_percentile_interval_of_scipy() -> None:
    values, _ = people(persons=8)
    expected = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=20_000,
        method="percentile",
        rng=1,
        confidence_level=1 - 2 * widened(len(values)),
    ).confidence_interval
    found = of(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=DRAWN)
    assert found.method == f"bootstrap over {len(values)} sequences"
    assert not found.few_persons


def cluster_bootstrap(seeds: np.ndarray, owner: np.ndarray, *, draws: int) -> np.ndarray:
    """Means (draws,) of whole persons and seeds drawn with replacement from values (s, q), in a plain loop."""
    random = np.random.default_rng(5)
    groups = [np.flatnonzero(owner == person) for person in np.unique(owner)]
    means = []
    for _ in range(draws):
        rows = np.concatenate([groups[pick] for pick in random.integers(len(groups), size=len(groups))])
        means.append(seeds[random.integers(len(seeds), size=len(seeds))][:, rows].mean())
    return np.asarray(means)


@pytest.mark.parametrize("persons", [FEW_PERSONS, 20])
def test_persons_are_drawn_with_all_their_sequences(persons: int) -> None:
    values, owner = people(persons=persons)
    drawn = cluster_bootstrap(values[None], owner, draws=4000)
    tail = widened(persons)
    found = of(values, owner)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [tail, 1 - tail]), abs=4 * DRAWN)
    assert found.method == f"bootstrap over {persons} persons"
    alone = of(values)
    assert found.high - found.low > 1.2 * (alone.high - alone.low), "sequences of one person are no news"


def test_seeds_are_drawn_beside_the_persons() -> None:
    random = np.random.default_rng(2)
    values, owner = people(persons=30)
    seeds = np.stack([np.where(random.random(len(values)) < share, values, 0.0) for share in (1.0, 0.8, 0.65, 0.9)])
    drawn = cluster_bootstrap(seeds, owner, draws=4000)
    found = interval([score(each) for each in seeds], clusters=torch.from_numpy(owner))
    assert found is not None
    assert found.method == "bootstrap over 30 persons and 4 seeds"
    # Few seeds widen it: Welch and Satterthwaite's degrees of freedom, computed with NumPy.
    groups = [np.flatnonzero(owner == person) for person in np.unique(owner)]
    mean = seeds.mean(axis=0)
    of_persons = sum((mean[rows] - mean.mean()).sum() ** 2 for rows in groups) / len(mean) ** 2
    of_seeds = seeds.mean(axis=1).var() / 4
    parts = np.array([of_persons * 30 / 29, of_seeds * 4 / 3])
    freedom = parts.sum() ** 2 / (parts**2 / [29, 3]).sum()
    wide = scipy.stats.t.ppf(0.975, freedom) * np.sqrt(parts.sum() / (of_persons + of_seeds))
    tail = scipy.stats.norm.cdf(-wide)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [tail, 1 - tail]), abs=4 * DRAWN)
    one = of(seeds.mean(axis=0), owner)
    assert found.high - found.low > 1.2 * (one.high - one.low)


def test_five_persons_are_covered_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    owner = torch.arange(FEW_PERSONS).repeat_interleave(4)
    inside = 0
    for _ in range(60):
        each = (0.5 + 0.1 * random.normal(size=FEW_PERSONS)).repeat(4)
        found = interval(score(each), clusters=owner)
        assert found is not None
        inside += found.low <= 0.5 <= found.high
    assert inside >= 53, "plain percentiles hold it in 83 % of the cases"


@pytest.mark.parametrize("persons", [1, 2, 4])
def test_too_few_persons_are_named_and_their_sequences_drawn_too(persons: int) -> None:
    values, _ = people(persons=1, each=80)
    owner = np.arange(len(values)) % persons
    values = np.sort(values)  # hardly any difference between persons
    found = of(values, owner)
    assert found.few_persons
    assert "too few persons to tell how others do" in found.method
    assert f"{persons} person" in found.method
    alone = of(values)
    assert found.high - found.low > 0.95 * (alone.high - alone.low), "not narrower for the persons being alike"


def test_sequences_that_are_all_alike_have_an_exact_interval() -> None:
    found = of(np.ones(20), np.arange(20) % 6)
    expected = scipy.stats.binomtest(20, 20).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert of(np.zeros(20)).high == pytest.approx(1 - expected.low)


def test_over_seeds_by_student() -> None:
    values = [0.71, 0.75, 0.69]
    expected = scipy.stats.t.interval(0.95, 2, loc=np.mean(values), scale=scipy.stats.sem(values))
    found = over_seeds(values)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(expected)
    assert over_seeds([0.7]) is None
    assert interval([Score(value=value) for value in values], clusters=None) == found
    assert interval(Score(value=0.7), clusters=None) is None


def test_a_number_that_is_no_mean_is_computed_again_for_each_draw() -> None:
    random = np.random.default_rng(3)
    owner = np.repeat(np.arange(25), 8)
    terms = random.normal(size=(200, 3)) * 0.3 + random.normal(size=25)[owner, None] * 0.1
    terms[:, 0] += 0.15

    def function(sums: torch.Tensor) -> torch.Tensor:
        return sums.abs().sum(dim=-1) / 200

    found = interval(Score.of_sums(torch.from_numpy(terms), function), clusters=torch.from_numpy(owner))
    assert found is not None
    groups = terms.reshape(25, 8, 3).sum(axis=1)
    drawn = np.abs(groups[random.integers(25, size=(20_000, 25))].sum(axis=1)).sum(axis=1) / 200
    tail = widened(25)
    low, high = 2 * np.abs(terms.sum(axis=0)).sum() / 200 - np.quantile(drawn, [1 - tail, tail])
    assert (found.low, found.high) == pytest.approx((max(0, low), high), abs=2 * DRAWN)


def test_it_is_seeded_and_as_wide_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values, owner = people(persons=9)
    assert of(values, owner) == of(values, owner)
    whole = of(values, owner)
    monkeypatch.setattr(intervals, "_BLOCK", 9 * 1000)
    blocks = of(values, owner)
    assert (blocks.low, blocks.high) == pytest.approx((whole.low, whole.high), abs=2 * DRAWN)


def differences(persons: int, *, gain: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, owner = people(persons=persons, seed=seed)
    random = np.random.default_rng(seed)
    better = np.where(random.random(len(values)) < gain * random.random(persons * 7 + 3)[owner], 1.0, values)
    worse = np.where(random.random(len(values)) < 0.1, 0.0, better)
    return worse, values, owner


@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
@pytest.mark.parametrize("persons", [6, 40])
def test_the_paired_test_flips_whole_persons(persons: int, alternative: str) -> None:
    one, other, owner = differences(persons, gain=0.9 if persons == 6 else 0.5, seed=4 if persons == 6 else 1)
    sums = np.array([(one - other)[owner == person].sum() for person in np.unique(owner)])
    expected = scipy.stats.permutation_test(
        (sums, np.zeros_like(sums)), lambda left, right, axis: (left - right).sum(axis=axis),
        permutation_type="samples", vectorized=True, n_resamples=50_000, alternative=alternative, rng=0,
    )  # fmt: skip
    found = paired(score(one), score(other), clusters=torch.from_numpy(owner))
    p = found.p if alternative == "two-sided" else found.p_greater
    assert p == pytest.approx(expected.pvalue, abs=1e-12 if persons == 6 else 0.01)
    assert 0.001 < p < 0.5, "a p that could be another one"
    assert found.difference == pytest.approx((one - other).mean())
    assert found.least_p == (2 / 2**6 if persons == 6 else 1e-4)
    assert f"{persons} persons" in found.method


def test_its_interval_is_that_of_the_difference() -> None:
    one, other, owner = differences(30, gain=0.5)
    found = paired(score(one), score(other), clusters=torch.from_numpy(owner)).interval
    drawn = cluster_bootstrap((one - other)[None], owner, draws=4000)
    tail = widened(30)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [tail, 1 - tail]), abs=2 * DRAWN)


def test_seeds_are_averaged_before_they_are_compared() -> None:
    one, other, owner = differences(12, gain=0.6)
    third, fourth, _ = differences(12, gain=0.3)
    clusters = torch.from_numpy(owner)
    found = paired([score(one), score(third)], [score(other), score(fourth)], clusters=clusters)
    mean = paired(score((one + third) / 2), score((other + fourth) / 2), clusters=clusters)
    assert (found.p, found.p_greater, found.difference) == (mean.p, mean.p_greater, mean.difference)
    assert found.interval.method == "bootstrap over 12 persons and 2 seeds"
    assert found.interval.high - found.interval.low > mean.interval.high - mean.interval.low


def test_better_is_said_beyond_noise_alone() -> None:
    owner = torch.arange(8).repeat_interleave(5)
    worse = np.tile([1.0, 0.0, 0.0, 0.0, 0.0], 8)
    better = np.tile([1.0, 1.0, 1.0, 0.0, 0.0], 8)
    assert paired(score(better), score(worse), clusters=owner).better
    assert not paired(score(worse), score(better), clusters=owner).better
    same = paired(score(worse), score(worse), clusters=owner)
    assert (same.p, same.p_greater, same.difference, same.better) == (1, 1, 0, False)
    few = paired(score(better[:20]), score(worse[:20]), clusters=owner[:20])
    assert (few.least_p, few.interval.few_persons, few.better) == (0.125, True, False)
    by_sequence = paired(score(better), score(worse), clusters=None)
    assert "40 sequences" in by_sequence.method
    assert by_sequence.better


def test_scores_that_do_not_belong_together_are_refused() -> None:
    four, three = score(np.array([1.0, 0, 1, 0])), score(np.array([1.0, 0, 1]))
    with pytest.raises(ValueError, match="cannot be paired"):
        paired(four, three, clusters=None)
    with pytest.raises(ValueError, match="means over sequences"):
        paired(Score(value=0.5), four, clusters=None)
    with pytest.raises(ValueError, match="3 persons for 4 sequences"):
        interval(four, clusters=torch.arange(3))
    with pytest.raises(ValueError, match="different numbers"):
        interval([four, Score.of_sums(torch.ones(3, 2), lambda sums: sums[..., 0])], clusters=None)


def test_two_persons_who_differ_make_an_interval_wide() -> None:
    values = np.concatenate([np.arange(40) % 10 < 9, np.arange(40) % 10 < 3]).astype(float)
    found, alone = of(values, np.arange(80) // 40), of(values)
    assert found.few_persons
    assert found.high - found.low > 2 * (alone.high - alone.low)


def test_two_of_something_ask_for_the_widest_tails_and_one_for_none() -> None:
    assert module._tail([(0.3, 2)]) == pytest.approx(widened(2))
    assert module._tail([(0.3, 1)]) == pytest.approx(0.025)
