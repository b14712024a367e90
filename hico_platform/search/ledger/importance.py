"""Which parameters matter, by Optuna's PED-ANOVA (it handles conditional parameters)."""

from __future__ import annotations

import warnings
from collections import Counter

import optuna

from hico_platform.search.ledger.optuna_ledger import Storage

FEWEST_TRIALS = 4


def parameter_importance(storage: Storage, *, name: str) -> tuple[dict[str, float], int, int] | None:
    """Shares by parameter, the epoch whose scores were compared, and how many trials had one there.

    Scores of different epochs are not comparable, and complete trials alone are few and were chosen; so the epoch
    that most trials reported at is taken. Nothing where fewer than four trials reported at any.
    """
    study = optuna.load_study(study_name=name, storage=storage)
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.params]
    counts = Counter(epoch for trial in trials for epoch in trial.intermediate_values)
    if not counts:
        return None
    epoch, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    if count < FEWEST_TRIALS:
        return None
    level = optuna.create_study(direction="maximize")
    for trial in trials:
        if epoch in trial.intermediate_values:
            level.add_trial(
                optuna.trial.create_trial(
                    params=trial.params,
                    distributions=trial.distributions,
                    value=trial.intermediate_values[epoch],
                )
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        try:
            shares = optuna.importance.get_param_importances(
                level, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
            )
        except (ValueError, RuntimeError):  # all scores or all values alike: nothing to tell apart
            return None
    return dict(shares), epoch, count
