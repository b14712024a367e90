"""A new trial in memory until it has all its values, so that it comes into the database whole, in one transaction.

Optuna writes an empty trial first, then each value as it is drawn. Here a sampler sees the new trial as it would there.
What Optuna asks for each new trial alone, how many there are and which of them wait, is counted by the database: Optuna
would read all running trials for it, twice.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hico_platform.search.ledger.trial_rows import TrialRows

Storage = optuna.storages.BaseStorage

DRAFT_ID = -1
"""The id of the draft, which no trial of a database has."""


class DraftStorage(Storage):
    """A storage that has a new trial in memory until it is taken, and passes all else on to another one.

    Args:
        inner: the other one.
        rows: of the study whose trials are drawn.
    """

    def __init__(self, inner: Storage, rows: TrialRows) -> None:
        self._inner, self._rows = inner, rows
        self._draft: FrozenTrial | None = None

    def take(self, trial_id: int) -> FrozenTrial | None:
        """The draft, which is to be written, if ``trial_id`` is its id; else the trial is in the database already."""
        draft = self._draft_of(trial_id)
        if draft is not None:
            self._draft = None
        return draft

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """A draft; a trial that has its values already is written."""
        if template_trial is not None:
            return self._inner.create_new_trial(study_id, template_trial)
        number = self._rows.number_of_trials()
        self._draft = FrozenTrial(
            number=self._inner.get_n_trials(study_id) if number is None else number,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.now(),
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=DRAFT_ID,
        )
        return DRAFT_ID

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The draft, or another trial."""
        draft = self._draft_of(trial_id)
        return self._inner.get_trial(trial_id) if draft is None else copy.deepcopy(draft)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials, with the draft."""
        if states == (TrialState.WAITING,) and self._rows.none_waits():
            return []
        trials = self._inner.get_all_trials(study_id, deepcopy=deepcopy, states=states)
        if self._draft is not None and (states is None or self._draft.state in states):
            trials = [*trials, copy.deepcopy(self._draft)]
        return trials

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """A value that was drawn."""
        draft = self._draft_of(trial_id)
        if draft is None:
            self._inner.set_trial_param(trial_id, param_name, param_value_internal, distribution)
            return
        draft.distributions = {**draft.distributions, param_name: distribution}
        draft.params = {**draft.params, param_name: distribution.to_external_repr(param_value_internal)}

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """An attribute."""
        draft = self._draft_of(trial_id)
        if draft is None:
            self._inner.set_trial_user_attr(trial_id, key, value)
        else:
            draft.user_attrs = {**draft.user_attrs, key: value}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """An attribute of a sampler's own."""
        draft = self._draft_of(trial_id)
        if draft is None:
            self._inner.set_trial_system_attr(trial_id, key, value)
        else:
            draft.system_attrs = {**draft.system_attrs, key: value}

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """A state."""
        return self._inner.set_trial_state_values(trial_id, state, values)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """A reported value."""
        self._inner.set_trial_intermediate_value(trial_id, step, intermediate_value)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """The id of a trial."""
        return self._inner.get_trial_id_from_study_id_trial_number(study_id, trial_number)

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """A new study."""
        return self._inner.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """Deletes a study."""
        self._inner.delete_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """An attribute of a study."""
        self._inner.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """An attribute of a sampler's own."""
        self._inner.set_study_system_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """The id of a study."""
        return self._inner.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Its name."""
        return self._inner.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Its directions."""
        return self._inner.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Its attributes."""
        return self._inner.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Those of samplers."""
        return self._inner.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[Any]:
        """All studies."""
        return self._inner.get_all_studies()

    def _draft_of(self, trial_id: int) -> FrozenTrial | None:
        return self._draft if trial_id == DRAFT_ID else None
