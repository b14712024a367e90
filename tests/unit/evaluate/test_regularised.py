"""The regularised probe against scikit-learn's logistic regression, in the forms that it takes by size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hico_platform.evaluate import regularised
from hico_platform.evaluate.regularised import choose_c, fit, protocol, regularised_probe
from tests.handmade import SOLVER, Points, points

CLASSES = 5
TALL = points(classes=CLASSES, train=400, held_out=500, seed=3, width=20)
WIDE = points(classes=CLASSES, train=60, held_out=500, seed=4, width=150)


def regression(c: float) -> Pipeline:
    """scikit-learn's."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, solver=SOLVER, tol=1e-10, max_iter=500))


def by_scikit_learn(points: Points, c: float) -> np.ndarray:
    """Probabilities (q, K)."""
    probabilities: np.ndarray = regression(c).fit(points.train, points.train_labels).predict_proba(points.eval)
    return probabilities


def shifted(points: Points, seed: int = 0) -> Points:
    """The same points with columns of other sizes and places, and one that is constant."""
    random = np.random.default_rng(seed)
    size, place = 10 ** random.uniform(-2, 1, points.train.shape[1]), random.normal(size=points.train.shape[1])
    size[3] = 0.0
    parts = [np.float32(part * size + place).astype(np.float64) for part in (points.train, points.eval)]
    return Points(train=parts[0], train_labels=points.train_labels, eval=parts[1], eval_labels=points.eval_labels)


@pytest.mark.parametrize("precise", [True, False], ids=["float64", "float32"])
@pytest.mark.parametrize("c", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("given", [TALL, WIDE], ids=["more sequences", "more features"])
def test_probabilities_are_those_of_scikit_learn(
    given: Points, c: float, precise: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not precise:
        monkeypatch.setattr(regularised, "_EXACT_ROWS", 0)
    given = shifted(given)
    train, train_labels, held_out, _ = given.tensors()
    expected = by_scikit_learn(given, c)
    found = fit(train, train_labels, classes=CLASSES, c=c).logits(held_out).softmax(dim=1).numpy()
    assert np.abs(found - expected).max() < (2e-3 if precise else 5e-3)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.997
    others = [by_scikit_learn(given, other) for other in (c / 2, 2 * c)]
    assert all(np.abs(expected - other).max() > 1e-2 for other in others), "another C is another answer"


def test_curvature_of_some_rows_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    train, labels, held_out, _ = TALL.tensors()
    whole = fit(train, labels, classes=CLASSES, c=0.1).logits(held_out)
    monkeypatch.setattr(regularised, "_CURVATURE_ROWS", 40)
    part = fit(train, labels, classes=CLASSES, c=0.1).logits(held_out)
    assert not torch.equal(part, whole)
    assert torch.allclose(part, whole, atol=5e-3)


def test_c_is_that_of_scikit_learns_cross_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regularised, "CS", (1e-4, 1e-2, 1.0))
    train, labels, _, _ = TALL.tensors()
    subjects = torch.arange(len(train)) * 7 % 11
    rows, fold, by_person = regularised._folds(len(train), subjects, torch.Generator().manual_seed(0))
    assert by_person
    chosen = choose_c(train, labels, classes=CLASSES, subjects=subjects, seed=0)
    splits = [((fold != k).numpy(), (fold == k).numpy()) for k in range(5)]
    splits = [(rows.numpy()[fitted], rows.numpy()[asked]) for fitted, asked in splits]
    expected = {}
    for c in (1e-4, 1e-2, 1.0):
        shares = cross_val_score(regression(c), TALL.train, TALL.train_labels, cv=splits)
        expected[c] = np.average(shares, weights=[len(asked) for _, asked in splits])
    assert chosen.accuracies == pytest.approx(expected, abs=1.5 / len(train))
    assert chosen.c == max(expected, key=lambda c: expected[c])
    assert len(set(expected.values())) == 3


def test_folds_keep_persons_together_and_are_of_a_size() -> None:
    subjects = torch.repeat_interleave(torch.arange(9), torch.tensor([30, 5, 8, 9, 10, 7, 4, 3, 12]))[
        torch.randperm(88)
    ]
    rows, fold, by_person = regularised._folds(88, subjects, torch.Generator().manual_seed(0))
    assert by_person
    assert rows.tolist() == list(range(88))
    assert all(len(fold[subjects == person].unique()) == 1 for person in range(9))
    assert sorted(fold.bincount().tolist())[:4] == pytest.approx([14.5] * 4, abs=2.5)
    pair = regularised._folds(88, subjects % 2, torch.Generator().manual_seed(0))[1]
    assert int(pair.max()) == 1, "two persons are two folds"


def test_of_many_sequences_some_of_each_person_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regularised, "CHOOSING_ROWS", 60)
    subjects = torch.arange(200) % 20
    rows, fold, _ = regularised._folds(200, subjects, torch.Generator().manual_seed(0))
    assert len(rows.unique()) == len(fold) == 60
    assert len(subjects[rows].unique()) == 20
    other = regularised._folds(200, subjects, torch.Generator().manual_seed(1))[0]
    assert rows.tolist() != other.tolist()


def test_cross_validation_ends_where_larger_values_are_clearly_worse() -> None:
    assert not regularised._clearly_worse([50, 40], 100), "two of them decide"
    assert not regularised._clearly_worse([50, 40, 46], 100), "a standard error of 5"
    assert regularised._clearly_worse([50, 40, 44], 100)
    assert not regularised._clearly_worse([40, 44, 50], 100)


def test_persons_that_are_recognised_by_their_features_do_not_choose_c() -> None:
    """Each person has own directions in which classes differ: of use for sequences of the same person alone."""
    random = np.random.default_rng(0)
    persons, each, width = 8, 30, 40
    owner = np.repeat(np.arange(persons), each)
    labels = random.integers(3, size=len(owner))
    general, own = random.normal(size=(3, width)), random.normal(size=(persons, 3, width))
    features = 0.35 * general[labels] + own[owner, labels] + 0.5 * random.normal(size=(len(owner), width))
    given = torch.tensor(features, dtype=torch.float32), torch.tensor(labels)
    apart = choose_c(*given, classes=3, subjects=torch.tensor(owner), seed=0)
    mixed = choose_c(*given, classes=3, subjects=None, seed=0)
    assert (apart.by_person, mixed.by_person) == (True, False)
    assert apart.c < mixed.c
    assert "over training persons (5 folds, 240 sequences)" in protocol(apart)
    assert "over training sequences" in protocol(mixed)
    alone = choose_c(*given, classes=3, subjects=torch.zeros(len(owner)), seed=0)
    assert alone == mixed, "one person cannot be held out"


def test_equal_accuracies_go_to_the_smaller_c() -> None:
    labels = torch.arange(60) % 3
    features = torch.nn.functional.one_hot(labels, 3).float()
    chosen = choose_c(features, labels, classes=3, subjects=torch.arange(60) // 6, seed=0)
    assert set(chosen.accuracies.values()) == {1.0}
    assert chosen.c == min(regularised.CS)


def test_the_probe_fits_all_with_what_it_chose() -> None:
    train, labels, held_out, _ = TALL.tensors()
    signs: list[None] = []
    probe = regularised_probe(
        train, labels, held_out, classes=CLASSES, subjects=torch.arange(400) % 8, seed=0,
        alive=lambda: signs.append(None),
    )  # fmt: skip
    assert probe.regression.c == probe.chosen.c
    expected = by_scikit_learn(TALL, probe.chosen.c).argmax(axis=1)
    assert (probe.logits.argmax(dim=1).numpy() == expected).mean() > 0.997
    assert len(signs) > 5 * len(regularised.CS)
