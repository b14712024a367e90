from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hico_platform.search.ledger.draft import DRAFT_ID, DraftStorage
from hico_platform.search.ledger.optuna_ledger import open_storage, sqlite_url
from hico_platform.search.ledger.trial_rows import TrialRows

URLS = ("memory:", "sqlite")


@pytest.fixture(params=URLS)
def inner(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.storages.BaseStorage:
    return open_storage("memory:" if request.param == "memory:" else sqlite_url(tmp_path / "study.db"))


def keep(storage: DraftStorage, trial_id: int) -> int:
    draft = storage.take(trial_id)
    study_id = storage.get_study_id_from_name("toy")
    return trial_id if draft is None else storage.create_new_trial(study_id, template_trial=draft)


def test_a_new_trial_is_written_when_it_is_kept(inner: optuna.storages.BaseStorage) -> None:
    before = optuna.create_study(storage=inner, study_name="toy")
    storage = DraftStorage(inner, TrialRows(inner, 1))
    study = optuna.load_study(study_name="toy", storage=storage)
    trial = study.ask()
    values = trial.suggest_float("width", 0.0, 1.0), trial.suggest_categorical("kind", ["a", "b"])
    trial.set_user_attr("mine", [1])
    storage.set_trial_system_attr(trial._trial_id, "sampler", "own")
    assert (trial.number, trial._trial_id, before.trials) == (0, DRAFT_ID, [])
    assert [one.state for one in study.trials] == [TrialState.RUNNING], "a sampler sees it"
    kept = keep(storage, trial._trial_id)
    assert keep(storage, kept) == kept
    (frozen,) = before.trials
    assert (frozen.params, frozen.user_attrs) == ({"width": values[0], "kind": values[1]}, {"mine": [1]})
    assert (frozen.system_attrs, frozen.state, frozen.number) == ({"sampler": "own"}, TrialState.RUNNING, 0)
    assert frozen.datetime_start is not None
    assert study.trials == before.trials
    study.tell(0, 0.5)
    assert before.trials[0].value == 0.5
    assert study.ask().number == 1


def test_what_waits_comes_first_and_is_in_the_database_already(inner: optuna.storages.BaseStorage) -> None:
    storage = DraftStorage(inner, TrialRows(inner, 1))
    study = optuna.create_study(storage=storage, study_name="toy")
    study.enqueue_trial({"width": 0.25}, user_attrs={"origin": "listed"})
    trial = study.ask()
    assert trial._trial_id != DRAFT_ID
    assert trial.suggest_float("width", 0.0, 1.0) == 0.25
    assert keep(storage, trial._trial_id) == trial._trial_id
    assert [one.params for one in study.trials] == [{"width": 0.25}]


def test_everything_else_is_passed_on(inner: optuna.storages.BaseStorage) -> None:
    storage = DraftStorage(inner, TrialRows(inner, 1))
    study = optuna.create_study(storage=storage, study_name="toy", directions=["maximize", "minimize"])
    study.set_user_attr("note", 1)
    study_id = storage.get_study_id_from_name("toy")
    storage.set_study_system_attr(study_id, "sampler", 2)
    assert storage.get_study_name_from_id(study_id) == "toy"
    assert (study.user_attrs, storage.get_study_system_attrs(study_id)) == ({"note": 1}, {"sampler": 2})
    assert [str(direction) for direction in study.directions] == ["2", "1"]
    assert [one.study_name for one in storage.get_all_studies()] == ["toy"]
    storage.delete_study(study_id)
    assert storage.get_all_studies() == []
