"""The regularised linear probe: standardised features, L2 multinomial logistic regression, its C by cross-validation.

The objective is scikit-learn's: the sum of the cross entropies plus 1 / (2 C) of the squared weights, the bias free. It
is minimised by L-BFGS whose first curvature is the Hessian's own shape, a multiple of the features' covariance plus the
penalty, and with exact line searches, which cost no product with the features: logits are linear in the weights.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from hico_platform.enums import Precision
from hico_platform.ops.precision import float32_products

CS = tuple(10.0**exponent for exponent in range(-5, 2))
"""The values of C that cross-validation tries, until larger ones are clearly worse."""
FOLDS = 5
CHOOSING_ROWS = 3_000
"""C is chosen on so many training sequences at most, drawn among those of all training persons."""

_ROWS = 1024  # read at a time where float64 is needed
_EXACT_ROWS = 2048  # up to so many rows everything is computed in float64
_CURVATURE_ROWS = 8192  # that the shape of the curvature is taken from
_HISTORY = 10
_LEAST_SPREAD = 1e-6
_ITERATIONS = 200
# Nats of cross entropy that may be left to gain, by the Newton decrement of the approximate curvature.
_GAP, _FLOAT32_GAP, _CHOOSING_GAP = 1e-9, 1e-8, 1e-5


@dataclass(frozen=True, kw_only=True)
class LogisticRegression:
    """Weights (F, K) and bias (K,) for features as they come; the standardisation is part of them."""

    weight: Tensor
    bias: Tensor
    c: float

    def logits(self, features: Tensor) -> Tensor:
        """Scores (q, K) of features (q, F); their softmax are the probabilities."""
        with float32_products(Precision.FLOAT32, features.device):
            return torch.addmm(self.bias, features, self.weight)


@dataclass(frozen=True, kw_only=True)
class ChosenC:
    """The C that cross-validation found best.

    Attributes:
        c: the smallest of those with the most right answers on held-out persons.
        accuracies: the share of right answers by C.
        rows: of how many sequences.
        folds: in how many parts.
        by_person: whether the sequences of a person were held out together.
    """

    c: float
    accuracies: dict[float, float]
    rows: int
    folds: int
    by_person: bool


@dataclass(frozen=True, kw_only=True)
class RegularisedProbe:
    """The fitted regression, its logits (q, K) of the sequences to score on, and how its C was chosen."""

    regression: LogisticRegression
    logits: Tensor
    chosen: ChosenC


def regularised_probe(
    features: Tensor,
    labels: Tensor,
    test_features: Tensor,
    *,
    classes: int,
    subjects: Tensor | None,
    seed: int,
    alive: Callable[[], None] = lambda: None,
) -> RegularisedProbe:
    """Chooses C on features (n, F) of the persons ``subjects`` (n,), fits all of them, and scores (q, F)."""
    chosen = choose_c(features, labels, classes=classes, subjects=subjects, seed=seed, alive=alive)
    regression = fit(features, labels, classes=classes, c=chosen.c, alive=alive)
    return RegularisedProbe(regression=regression, logits=regression.logits(test_features), chosen=chosen)


def fit(
    features: Tensor, labels: Tensor, *, classes: int, c: float, alive: Callable[[], None] = lambda: None
) -> LogisticRegression:
    """Fits features (n, F) to labels (n,); ``alive`` is called at every iteration. Large features are not copied."""
    with float32_products(Precision.FLOAT32, features.device):
        inputs = _Inputs.of(features, reduced=len(features) <= _EXACT_ROWS)
        gap = _FLOAT32_GAP if inputs.rows.dtype is torch.float32 else _GAP
        weight, bias = _Problem(inputs, labels, classes=classes).solve(c, gap=gap, alive=alive)
        return inputs.of_features(weight, bias, c=c)


def choose_c(
    features: Tensor,
    labels: Tensor,
    *,
    classes: int,
    subjects: Tensor | None,
    seed: int,
    alive: Callable[[], None] = lambda: None,
) -> ChosenC:
    """C by cross-validation over training persons ``subjects`` (n,), each held out with all sequences.

    Where no person is known, or one alone, sequences are held out one by one. Features are standardised once, over
    all the sequences that C is chosen on.
    """
    generator = torch.Generator().manual_seed(seed)
    rows, fold, by_person = _folds(len(labels), subjects, generator)
    right: dict[float, int] = {}
    with float32_products(Precision.FLOAT32, features.device):
        there = rows.to(features.device)
        inputs, answers = _Inputs.of(features[there], reduced=True), labels[there]
        folds = []
        for held_out in range(int(fold.max()) + 1):
            fitted, asked = ((mask.nonzero()[:, 0]).to(there.device) for mask in (fold != held_out, fold == held_out))
            folds.append((_Problem(inputs.part(fitted), answers[fitted], classes=classes), asked))
        for c in CS:
            right[c] = 0
            for problem, asked in folds:
                weight, bias = problem.solve(c, gap=_CHOOSING_GAP, alive=alive)
                found = (inputs.part(asked).products(weight) + bias).argmax(dim=1)
                right[c] += int((found == answers[asked]).sum())
            if _clearly_worse(list(right.values()), len(rows)):
                break
    best = max(right, key=lambda c: (right[c], -c))
    return ChosenC(
        c=best,
        accuracies={c: count / len(rows) for c, count in right.items()},
        rows=len(rows),
        folds=len(folds),
        by_person=by_person,
    )


def protocol(chosen: ChosenC) -> str:
    """How the probe came about, as a table says it."""
    held_out = "training persons" if chosen.by_person else "training sequences"
    return (
        f"standardised features, L2 logistic regression, C = {chosen.c:g} by cross-validation over {held_out} "
        f"({chosen.folds} folds, {chosen.rows:,} sequences)"
    )


def _folds(count: int, subjects: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor, bool]:
    """Rows (r,) to choose on, the fold (r,) of each, and whether folds keep persons together."""
    rows = torch.randperm(count, generator=generator)[:CHOOSING_ROWS].sort().values
    by_person = subjects is not None and len(subjects.cpu()[rows].unique()) > 1
    owner = torch.arange(len(rows))
    if subjects is not None and by_person:
        owner = subjects.cpu()[rows].unique(return_inverse=True)[1]
    sizes = owner.bincount()
    # The largest first, each into the fold that has the fewest sequences yet; equal ones in a drawn order.
    order = torch.randperm(len(sizes), generator=generator)
    fold_of = torch.empty_like(order)
    filled = torch.zeros(min(FOLDS, len(order)), dtype=torch.int64)
    for person in order[sizes[order].argsort(descending=True, stable=True)].tolist():
        smallest = int(filled.argmin())
        fold_of[person] = smallest
        filled[smallest] += sizes[person]
    return rows, fold_of[owner], by_person


def _clearly_worse(right: list[int], count: int) -> bool:
    """Whether the last two of the right answers are below the best by more than the best's standard error."""
    best = max(right)
    error = math.sqrt(best * (1 - best / count))
    return len(right) > 2 and max(right[-2:]) < best - error


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What the regression sees in place of features (n, F): ``rows`` (n, d), standardised on the way.

    Fewer sequences than features span fewer directions, in which the solution lies: ``rows`` may then be the principal
    components of the standardised features, and ``basis`` (F, d) has orthonormal columns.

    Attributes:
        centre: mean (d,) of the rows.
        scale: deviation (d,) of the rows.
        covariance: (d, d) of standardised rows, or (d,) where it is diagonal; the shape of the curvature.
        mean: of the features (F,).
        deviation: of the features (F,).
    """

    rows: Tensor
    centre: Tensor
    scale: Tensor
    covariance: Tensor
    mean: Tensor
    deviation: Tensor
    basis: Tensor | None = None

    @classmethod
    def of(cls, features: Tensor, *, reduced: bool) -> _Inputs:
        """``reduced``: by principal components, where there are fewer sequences than features."""
        mean, deviation = _mean_and_deviation(features)
        count, width = features.shape
        dtype = torch.float64 if count <= _EXACT_ROWS else torch.float32
        if reduced and count < width:
            standard = features.sub(mean).div_(deviation).to(dtype)
            values, vectors = torch.linalg.eigh(standard @ standard.T)
            values, vectors = values.flip(0), vectors.flip(1)
            kept = values > 10 * torch.finfo(dtype).eps * values[0]
            values, vectors = values[kept], vectors[:, kept]
            lengths = values.sqrt()
            return cls(
                rows=vectors * lengths,
                centre=torch.zeros_like(values),
                scale=torch.ones_like(values),
                covariance=values / count,
                mean=mean,
                deviation=deviation,
                basis=standard.T @ (vectors / lengths),
            )
        centre, scale = mean.to(dtype), deviation.to(dtype)
        some = (features[:: max(1, count // _CURVATURE_ROWS)].to(dtype) - centre) / scale
        covariance = (some.T @ some).div_(len(some))
        rows = features.to(dtype)
        return cls(rows=rows, centre=centre, scale=scale, covariance=covariance, mean=mean, deviation=deviation)

    def part(self, indices: Tensor) -> _Inputs:
        """Some of the rows."""
        return dataclasses.replace(self, rows=self.rows[indices])

    def products(self, weight: Tensor) -> Tensor:
        """(n, K): standardised rows times weight (d, K)."""
        scaled = weight / self.scale[:, None]
        return (self.rows @ scaled).sub_(self.centre @ scaled)

    def transposed(self, errors: Tensor) -> Tensor:
        """(d, K): standardised rows, transposed, times errors (n, K)."""
        return (self.rows.T @ errors).sub_(self.centre[:, None] * errors.sum(dim=0)).div_(self.scale[:, None])

    def curved(self, penalty: float, curvature: float) -> Callable[[Tensor], Tensor]:
        """Multiplies (d + 1, K), weights above bias, by the inverse of curvature * covariance + penalty."""
        if self.covariance.dim() == 1:
            diagonal = (curvature * self.covariance + penalty)[:, None]
            return lambda vector: torch.cat([vector[:-1] / diagonal, vector[-1:] / curvature])
        matrix = curvature * self.covariance
        # Beside the penalty what rounding may take from the least eigenvalue.
        rounding = float(torch.finfo(matrix.dtype).eps * matrix.trace())
        matrix.diagonal().add_(penalty + rounding)
        factor = torch.linalg.cholesky(matrix)
        return lambda vector: torch.cat([torch.cholesky_solve(vector[:-1], factor), vector[-1:] / curvature])

    def of_features(self, weight: Tensor, bias: Tensor, *, c: float) -> LogisticRegression:
        """The same regression for features as they come."""
        each = (weight if self.basis is None else self.basis @ weight).double() / self.deviation[:, None]
        return LogisticRegression(weight=each.float(), bias=(bias - self.mean @ each).float(), c=c)


class _Problem:
    """The objective on given inputs; a solution begins where the last one, of another C, ended."""

    def __init__(self, inputs: _Inputs, labels: Tensor, *, classes: int) -> None:
        self._inputs = inputs
        self._answers = one_hot(labels, classes).to(inputs.rows)
        self._weight = inputs.rows.new_zeros(inputs.rows.shape[1], classes)
        self._bias = inputs.rows.new_zeros(classes)

    def solve(self, c: float, *, gap: float, alive: Callable[[], None]) -> tuple[Tensor, Tensor]:
        """Weight (d, K) and bias (K,) of the minimum for this C."""
        count, classes = self._answers.shape
        penalty = 1 / (c * count)
        point = torch.cat([self._weight, self._bias[None]])  # (d + 1, K)
        logits = self._inputs.products(point[:-1]) + point[-1]
        shares = logits.softmax(dim=1)
        pairs: deque[_Pair] = deque(maxlen=_HISTORY)
        moved, gradient = None, torch.zeros_like(point)
        for iteration in range(_ITERATIONS):
            alive()
            if iteration % _HISTORY == 0:
                # Of a Hessian, the mean of p (1 - p) over sequences and classes; at the start, where all p are 1 / K,
                # this curvature is the Hessian itself.
                spread = float((1 - shares.square().sum(dim=1)).mean()) / max(1, classes - 1)
                curved = self._inputs.curved(penalty, max(spread, _LEAST_SPREAD))
            errors = (shares - self._answers) / count
            following = torch.cat([self._inputs.transposed(errors) + penalty * point[:-1], errors.sum(dim=0)[None]])
            if moved is not None:
                pairs.append(_Pair(step=moved, change=following - gradient))
            gradient = following
            direction = -_two_loops(gradient, pairs, curved)
            if -float((gradient * direction).sum()) <= 2 * gap:
                break
            steps = self._inputs.products(direction[:-1]) + direction[-1]
            length, shares = _line_search(logits, steps, self._answers, point[:-1], direction[:-1], penalty)
            logits.add_(steps, alpha=length)
            moved = length * direction
            point = point + moved
        self._weight, self._bias = point[:-1], point[-1]
        return self._weight, self._bias


class _Pair:
    """A step (d + 1, K) and the change of the gradient over it, as L-BFGS remembers them."""

    def __init__(self, *, step: Tensor, change: Tensor) -> None:
        self.step, self.change = step, change
        self.scale = 1 / float((step * change).sum())


def _two_loops(gradient: Tensor, pairs: deque[_Pair], curved: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradient times the inverse curvature (Nocedal and Wright, algorithm 7.4), ``curved`` the first one."""
    vector, factors = gradient, []
    for pair in reversed(pairs):
        factors.append(pair.scale * float((pair.step * vector).sum()))
        vector = vector - factors[-1] * pair.change
    vector = curved(vector)
    for pair, factor in zip(pairs, reversed(factors), strict=True):
        vector = vector + (factor - pair.scale * float((pair.change * vector).sum())) * pair.step
    return vector


def _line_search(
    logits: Tensor, steps: Tensor, answers: Tensor, weight: Tensor, direction: Tensor, penalty: float
) -> tuple[float, Tensor]:
    """How far to go along ``steps`` for the least objective, and the shares (n, K) there; by Newton's method."""
    linear, square = penalty * float((weight * direction).sum()), penalty * float(direction.square().sum())
    towards = float((answers * steps).sum()) / len(steps)
    low, high, length = 0.0, math.inf, 1.0
    for _ in range(8):
        shares = torch.add(logits, steps, alpha=length).softmax(dim=1)
        weighted = shares * steps
        mean = weighted.sum(dim=1)
        slope = float(mean.mean()) - towards + linear + length * square
        bend = float(((weighted * steps).sum(dim=1) - mean.square()).mean()) + square
        low, high = (length, high) if slope < 0 else (low, length)
        following = length - slope / bend if bend > 0 else length
        if abs(following - length) < 0.1 * length:
            break
        length = following if low < following < high else (low + min(high, 2 * low + 1)) / 2
    return length, shares


def _mean_and_deviation(features: Tensor) -> tuple[Tensor, Tensor]:
    """Float64 (F,) of features (n, F); the deviation of one that is constant up to float32's rounding is given as 1."""
    parts = features.split(_ROWS)
    mean = torch.stack([rows.sum(dim=0, dtype=torch.float64) for rows in parts]).sum(dim=0) / len(features)
    squares = torch.stack([(rows - mean).square().sum(dim=0) for rows in parts]).sum(dim=0)
    deviation = (squares / len(features)).sqrt()
    return mean, deviation.where(deviation > 1e-6 * mean.abs(), 1.0)
