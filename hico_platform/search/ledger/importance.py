"""The importance of parameters, by Optuna's PED-ANOVA, which handles conditional parameters."""

from __future__ import annotations

import functools
import importlib
import random
import statistics
import sys
import warnings
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from sqlalchemy import text

from hico_platform.config.parameters import Choice, Range, Simplex
from hico_platform.config.space import CheckedSpace
from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.ledger.optuna_ledger import Storage
from hico_platform.search.ledger.samplers import distribution_of

FEWEST_TRIALS = 4
_DRAWS, _LEAST_DRAWS, _DRAWN_TRIALS, _MOST_RESAMPLED = 50, 12, 10_000, 2_000


def parameter_importance(storage: Storage, *, name: str) -> tuple[dict[str, float], int, int] | None:
    """Importance by parameter (they add up to 1), the epoch whose scores were compared, and the number of trials there.

    Scores of different epochs are not comparable, and complete trials are few and were selected, so the epoch at which
    most trials reported is used. None if fewer than four trials reported there.
    """
    reported = _reported(storage, name=name)
    counts = Counter(epoch for trial in reported for epoch in trial.intermediate_values)
    if not counts:
        return None
    epoch, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    if count < FEWEST_TRIALS:
        return None
    level = [trial for trial in reported if epoch in trial.intermediate_values]
    for trial in level:
        trial.state, trial.values = optuna.trial.TrialState.COMPLETE, [trial.intermediate_values[epoch]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the page says how many trials there are
        try:
            shares = optuna.importance.get_param_importances(
                _Trials(level), evaluator=optuna.importance.PedAnovaImportanceEvaluator()
            )
        except (ValueError, RuntimeError):  # all scores or all values are equal
            return None
    return dict(shares), epoch, count


def import_without_forests() -> None:
    """Imports Optuna's importances without scikit-learn, which only its random forests need: a second or two.

    Optuna goes on without scikit-learn where it is not installed. PED-ANOVA, which pages show, needs none of it. For a
    command's own process alone: in a program of somebody's it would take the forests away.
    """
    if "sklearn" in sys.modules:
        return
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # an import of it raises ImportError
    try:
        importlib.import_module("optuna.importance")
    finally:
        del sys.modules["sklearn"]


def _reported(storage: Storage, *, name: str) -> list[optuna.trial.FrozenTrial]:
    """The trials of a study with parameters, as far as importance goes by them; Optuna would read all that is kept."""
    if not isinstance(storage, optuna.storages.RDBStorage):
        trials = optuna.load_study(study_name=name, storage=storage).get_trials()
        return [trial for trial in trials if trial.params]
    study, found = {"study": storage.get_study_id_from_name(name)}, dict[int, optuna.trial.FrozenTrial]()
    distribution = functools.cache(optuna.distributions.json_to_distribution)
    with storage.engine.connect() as connection:
        for trial_id, number, parameter, value, kind in connection.execute(_PARAMETERS, study):
            trial = found.setdefault(trial_id, _blank(trial_id, number))
            axis = trial.distributions[parameter] = distribution(kind)
            trial.params[parameter] = axis.to_external_repr(value)
        for trial_id, epoch, value in connection.execute(_SCORES, study):
            if trial_id in found:
                found[trial_id].intermediate_values[epoch] = value
    return list(found.values())


_PARAMETERS = text(
    "SELECT trials.trial_id, trials.number, param_name, param_value, distribution_json FROM trials "
    "JOIN trial_params ON trial_params.trial_id = trials.trial_id WHERE study_id = :study ORDER BY number, param_id"
)
_SCORES = text(
    "SELECT trials.trial_id, step, intermediate_value FROM trials JOIN trial_intermediate_values scores "
    "ON scores.trial_id = trials.trial_id WHERE study_id = :study AND intermediate_value_type = 'FINITE'"
)


@dataclass(frozen=True, kw_only=True)
class NamedImportance:
    """Importance by parameter as a space names it; the shares add up to 1.

    Args:
        shares: by dotted field; each weight of a simplex is one.
        errors: the standard errors of the shares, by a bootstrap over trials; empty where none was drawn.
        epoch: whose scores were compared.
        trials: how many trials reported there.
        draws: how often trials were resampled.
    """

    shares: Mapping[str, float]
    errors: Mapping[str, float]
    epoch: int
    trials: int
    draws: int


def named_importance(
    trials: Sequence[TrialRecord], space: CheckedSpace, *, draws: int | None = None
) -> NamedImportance | None:
    """The importance of each field that ``space`` varies, at the epoch at which most trials reported.

    A simplex counts by its weights, not by the shares that a sampler draws: those depend on their order. ``draws`` is
    by default 50, less for many trials, and none for more than 2,000, whose importance is sure enough. None if fewer
    than four trials reported at that epoch, or all scores or values are equal.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it tells of the study that the evaluator needs
    counts = Counter(epoch for trial in trials for epoch in trial.curve)
    if not counts:
        return None
    epoch, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    if count < FEWEST_TRIALS:
        return None
    scored = [trial for trial in trials if epoch in trial.curve]
    distributions = _distributions(scored, space)
    frozen = [_frozen(trial, trial.curve[epoch], distributions) for trial in scored]
    shares = _shares(frozen)
    if shares is None:
        return None
    if draws is None:
        draws = 0 if count > _MOST_RESAMPLED else max(_LEAST_DRAWS, min(_DRAWS, _DRAWN_TRIALS // count))
    draw = random.Random(0)
    found = [one for _ in range(draws) if (one := _shares(draw.choices(frozen, k=count))) is not None]
    errors = {name: statistics.stdev(one.get(name, 0.0) for one in found) for name in shares} if len(found) > 1 else {}
    return NamedImportance(shares=shares, errors=errors, epoch=epoch, trials=count, draws=len(found))


def _distributions(trials: Iterable[TrialRecord], space: CheckedSpace) -> dict[str, Any]:
    """A distribution of each field, wide enough for every value: a space may have changed while its search ran."""
    found: dict[str, Any] = {}
    for parameter in space.parameters:
        if isinstance(parameter, Simplex):
            for field in parameter.fields:
                high = min(parameter.high, parameter.total - (len(parameter.parts) - 1) * parameter.low)
                found[field] = Range(name=field, low=parameter.low, high=high)
        elif isinstance(parameter, Range | Choice):
            found[parameter.name] = parameter
    values: dict[str, list[Any]] = {name: [] for name in found}
    for trial in trials:
        for name in values.keys() & trial.values.keys():
            values[name].append(trial.values[name])
    return {name: distribution_of(_widened(axis, values[name])) for name, axis in found.items()}


def _widened(axis: Range | Choice, values: Sequence[Any]) -> Range | Choice:
    if isinstance(axis, Choice):
        more = [value for value in dict.fromkeys(values) if value not in axis.choices]
        return Choice(name=axis.name, choices=(*axis.choices, *more))
    low, high = min([axis.low, *values]), max([axis.high, *values])
    return Range(name=axis.name, low=low, high=high, log=axis.log and low > 0)


def _frozen(trial: TrialRecord, value: float, distributions: Mapping[str, Any]) -> optuna.trial.FrozenTrial:
    frozen = _blank(trial.number, trial.number)  # by the id the evaluator knows the better ones again
    names = [name for name in distributions if name in trial.values]
    frozen.params = {name: trial.values[name] for name in names}
    frozen.distributions = {name: distributions[name] for name in names}
    frozen.state, frozen.values = optuna.trial.TrialState.COMPLETE, [value]
    return frozen


def _blank(trial_id: int, number: int) -> optuna.trial.FrozenTrial:
    return optuna.trial.FrozenTrial(
        number=number,
        trial_id=trial_id,
        state=optuna.trial.TrialState.RUNNING,
        value=None,
        params={},
        distributions={},
        datetime_start=None,
        datetime_complete=None,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


class _Trials(optuna.Study):
    """A study of given trials, without the copies that a storage makes of each: a bootstrap draws many."""

    def __init__(self, trials: list[optuna.trial.FrozenTrial]) -> None:
        blank = optuna.create_study(direction="maximize")
        super().__init__(blank.study_name, blank._storage)
        self._given = trials

    def get_trials(
        self, deepcopy: bool = True, states: Container[optuna.trial.TrialState] | None = None
    ) -> list[optuna.trial.FrozenTrial]:
        """The given ones."""
        return self._given


def _shares(trials: list[optuna.trial.FrozenTrial]) -> dict[str, float] | None:
    """Shares by name, the largest first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = optuna.importance.PedAnovaImportanceEvaluator().evaluate(_Trials(trials))
        except (ValueError, RuntimeError):  # all scores or all values are equal
            return None
    total = sum(found.values())
    if total <= 0:
        return None
    return {name: value / total for name, value in sorted(found.items(), key=lambda item: (-item[1], item[0]))}
