from __future__ import annotations

import numpy as np
import pytest
import torch

from hico_platform.evaluate.noise import standard_errors


def by_hand(values: np.ndarray, persons: np.ndarray, *, draws: int = 20_000) -> float:
    """The cluster bootstrap, person by person."""
    random = np.random.default_rng(1)
    of_each = [values[persons == person] for person in np.unique(persons)]
    picks = random.integers(len(of_each), size=(draws, len(of_each)))
    return float(np.std([np.concatenate([of_each[i] for i in pick]).mean() for pick in picks]))


def test_persons_are_drawn_whole() -> None:
    random = np.random.default_rng(0)
    persons = np.repeat(np.arange(12), random.integers(3, 20, size=12))
    ability = random.uniform(0.2, 1.0, size=12)  # some people are recognised better than others
    right = random.uniform(size=len(persons)) < ability[persons]
    other = random.uniform(size=len(persons)) < 0.5
    found = standard_errors(torch.tensor(np.stack([right, other])), persons=torch.tensor(persons))
    assert found[0].item() == pytest.approx(by_hand(right, persons), rel=0.06)
    alone = np.sqrt(right.mean() * (1 - right.mean()) / len(right))
    assert found[0] > 1.5 * alone, "persons differ, so sequences alone would understate it"
    assert found.shape == (2,)


def test_without_persons_it_is_the_binomial_one() -> None:
    right = torch.arange(20) < 17
    expected = (0.85 * 0.15 / 20) ** 0.5
    assert standard_errors(right[None], persons=None).item() == pytest.approx(expected)
    assert expected == pytest.approx(0.08, abs=0.001)


@pytest.mark.parametrize("persons", [torch.zeros(20, dtype=torch.int64), torch.arange(20) % 2])
def test_few_persons_who_score_alike_do_not_make_it_vanish(persons: torch.Tensor) -> None:
    right = torch.arange(20) < 10
    assert standard_errors(right[None], persons=persons).item() == pytest.approx((0.25 / 20) ** 0.5, rel=0.2)


def test_it_is_the_same_every_time() -> None:
    values = torch.rand(3, 40, generator=torch.Generator().manual_seed(0))
    persons = torch.arange(40) // 8
    assert torch.equal(standard_errors(values, persons=persons), standard_errors(values, persons=persons))
