"""How much a search may still improve: Optuna's terminator (Makarova et al., AutoML 2022), over a ledger's records.

A Gaussian process is fitted to the scores of the whole-budget trials; the bound is the highest upper confidence
bound anywhere in the space less the best lower one at a trial.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.terminator import RegretBoundEvaluator

from hico_platform.config.space import CheckedSpace
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.ledger.samplers import SEEDS, distribution_of


def improvement_left(space: CheckedSpace, trials: Sequence[TrialRecord]) -> float | None:
    """An upper bound (with 90 % confidence, under the model) of what the best kNN may still rise by.

    A function of the trials alone, the seed being the space's. Nothing before ``sampler.startup_trials`` trials are
    complete; parameters that not every one of them has (by a condition, or a change of the space) are left out.
    """
    complete = [_frozen(space, trial) for trial in trials if trial.state is TrialState.COMPLETE]
    if len(complete) < max(space.settings.sampler.startup_trials, 2):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the module is said to move to OptunaHub with Optuna 6
        evaluator = RegretBoundEvaluator(seed=space.settings.sampler.seed % SEEDS)
        try:
            return float(evaluator.evaluate(complete, optuna.study.StudyDirection.MAXIMIZE))
        except ValueError:  # no parameter is common to all
            return None


def _frozen(space: CheckedSpace, trial: TrialRecord) -> optuna.trial.FrozenTrial:
    """A trial by the coordinates of its parameters, those that have them."""
    params, distributions = {}, {}
    for parameter in space.parameters:
        if all(field in trial.values for field in parameter.fields):
            drawn = parameter.encode(trial.values)
            for axis in parameter.coordinates():
                params[axis.name], distributions[axis.name] = drawn[axis.name], distribution_of(axis)
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE, value=trial.value, params=params, distributions=distributions
    )
