"""Finished trials as samplers need them, without their configurations and the losses of their epochs.

Optuna keeps every finished trial of a study in memory, for samplers that learn. Most of what a trial takes there are
this package's records of it, which are in the database and which no sampler reads, and distributions of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from hico_platform.search.ledger.study_records import REPORT

_LEFT_OUT = {"trial": ("config",), REPORT: ("history", "metrics", "standard_errors", "checkpoint")}


class StudyStorage(optuna.storages.RDBStorage):
    """Optuna's storage, which can read finished trials slim.

    It does so as each trial is made from its rows, so that thousands are never in memory whole. Where a newer Optuna
    makes them elsewhere they are whole, and take more memory.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        self.is_slim = False
        self._distributions: dict[BaseDistribution, BaseDistribution] = {}
        super().__init__(*args, **named)

    def _build_frozen_trial_from_trial_model(self, trial: Any) -> FrozenTrial:
        frozen = super()._build_frozen_trial_from_trial_model(trial)
        if self.is_slim and frozen.state.is_finished():
            frozen.user_attrs = {key: _without_long_parts(key, value) for key, value in frozen.user_attrs.items()}
            shared = self._distributions
            frozen.distributions = {name: shared.setdefault(one, one) for name, one in frozen.distributions.items()}
        return frozen


def make_slim(storage: optuna.storages.BaseStorage) -> None:
    """From now on finished trials are read slim; not those of a study in memory."""
    if isinstance(storage, StudyStorage):
        storage.is_slim = True


@contextmanager
def whole_trials(storage: optuna.storages.BaseStorage) -> Iterator[None]:
    """In the block, trials are read whole."""
    was_slim = isinstance(storage, StudyStorage) and storage.is_slim
    try:
        if isinstance(storage, StudyStorage):
            storage.is_slim = False
        yield
    finally:
        if was_slim:
            make_slim(storage)


def _without_long_parts(key: str, value: Any) -> Any:
    left_out = _LEFT_OUT.get(REPORT if key.startswith(REPORT) else key)
    if left_out is None or not isinstance(value, Mapping):
        return value
    return {name: one for name, one in value.items() if name not in left_out}
