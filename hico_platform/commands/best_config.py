"""The configuration of a search's best trial, or of another one, as a file that trains it."""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_writer import as_yaml
from hico_platform.errors import Problem, UsageError, command
from hico_platform.home import HomePaths
from hico_platform.plug_in_names import missing_plug_ins_named
from hico_platform.search.ledger.base import TrialRecord, config_of
from hico_platform.search.status import SearchStatus, search_status


@dataclass(frozen=True, kw_only=True)
class BestConfig:
    """A trial of a search with the configuration that it began with."""

    status: SearchStatus
    trial: TrialRecord
    config: TrialConfig

    def as_yaml(self) -> str:
        """The configuration as ``pretrain`` and ``retrain`` take it, with where it comes from above it."""
        search, trial = self.status.search, self.trial
        is_best = self.status.best is not None and self.status.best.number == trial.number
        score = "no score yet"
        if trial.value is not None:
            noise = "" if trial.standard_error is None else f" (standard error {trial.standard_error:.4f})"
            signal = self.status.space.settings.objectives[0]
            score = f"{signal} {trial.value:.4f}{noise} on validation at epoch {trial.epoch}"
        return as_yaml(
            self.config,
            comments=[
                f"trial {trial.number} of the search {search.name}{', its best' if is_best else ''}: {score}",
                f"data {search.facts.data_digest[:12]}, protocol {search.facts.protocol}, "
                f"code version {search.facts.code_version}, search {search.key or 'without a key'}",
            ],
        )


def best_config(paths: HomePaths, name: str, *, trial: int | None = None) -> BestConfig:
    """The best trial of a search so far, or the one of that number.

    Raises:
        UsageError: there is no such search or no such trial, or no trial has a score yet.
        ConfigError: the trial's values break a rule between fields.
    """
    status = search_status(paths, name)
    if trial is not None:
        chosen = trial_of(status, trial)
    elif status.best is not None:
        chosen = status.best
    else:
        raise UsageError(
            Problem(
                field="NAME",
                rule="a search with a trial that has reported",
                value=f"{name}: {status.progress}",
                remedy=f"wait for the first report, or go on with it: {command('search', '--resume', '--name', name)}",
            )
        )
    with missing_plug_ins_named():
        config = config_of(chosen, status.space)
    return BestConfig(status=status, trial=chosen, config=config)


def trial_of(status: SearchStatus, number: int) -> TrialRecord:
    """The trial of that number.

    Raises:
        UsageError: there is none.
    """
    found = next((trial for trial in status.trials if trial.number == number), None)
    if found is None:
        numbers = [trial.number for trial in status.trials]
        raise UsageError(
            Problem(
                field="TRIAL",
                rule=f"the number of a trial of {status.search.name}",
                value=number,
                remedy=f"give one of {min(numbers)} to {max(numbers)}" if numbers else "wait until a trial has begun",
            )
        )
    return found
