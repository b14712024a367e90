"""The importance of parameters, by Optuna's PED-ANOVA, which handles conditional parameters."""

from __future__ import annotations

import warnings
from collections import Counter

import optuna

from hico_platform.search.ledger.optuna_ledger import Storage

FEWEST_TRIALS = 4


def parameter_importance(storage: Storage, *, name: str) -> tuple[dict[str, float], int, int] | None:
    """Importance by parameter (they add up to 1), the epoch whose scores were compared, and the number of trials there.

    Scores of different epochs are not comparable, and complete trials are few and were selected, so the epoch at which
    most trials reported is used. None if fewer than four trials reported there.
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
        except (ValueError, RuntimeError):  # all scores or all values are equal
            return None
    return dict(shares), epoch, count
