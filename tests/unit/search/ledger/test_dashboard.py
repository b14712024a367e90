from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.search.ledger.dashboard import dashboard_app, note_studies, note_trials, searches
from hico_platform.search.ledger.optuna_ledger import StudyLedger
from hico_platform.search.ledger.storage import MEMORY, open_storage
from tests.toy import FACTS, toy_space

SPACE = toy_space()


def test_a_study_gets_a_note_that_a_person_may_replace(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="the extra dashboard is not installed")
    import optuna

    storage = open_storage(MEMORY)
    StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=5, at_s=1.0)
    assert searches(storage) == ("toy",)
    note_studies(storage, {"toy": "first"})
    study = optuna.load_study(study_name="toy", storage=storage)
    assert dashboard.get_note(study) == "first"
    dashboard.save_note(study, "mine")
    note_studies(storage, {"toy": "second"})
    assert dashboard.get_note(study) == "mine"


def test_trials_get_notes_that_a_person_may_replace(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="the extra dashboard is not installed")
    import optuna
    from optuna_dashboard._note import get_note_from_system_attrs

    storage = open_storage(f"sqlite:///{tmp_path}/study.db")
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=5, at_s=1.0)
    ledger.begin(SPACE, at_s=2.0)
    ledger.begin(SPACE, at_s=2.0)
    note_trials(storage, "toy", {0: "# a long one\n" + "line\n" * 1000, 1: "second", 7: "of no trial"})
    study = optuna.load_study(study_name="toy", storage=storage)

    def notes() -> list[str]:
        attributes = storage.get_study_system_attrs(study._study_id)
        return [get_note_from_system_attrs(attributes, one._trial_id)["body"] for one in study.get_trials()]

    assert notes() == ["# a long one\n" + "line\n" * 1000, "second"]
    dashboard.save_note(optuna.trial.Trial(study, study.get_trials()[1]._trial_id), "mine")
    note_trials(storage, "toy", {1: "third"})
    assert notes()[1] == "mine"
    assert not dashboard.get_note(study), "the study's own note is another one"


def test_a_database_without_a_search_has_nothing_to_show() -> None:
    with pytest.raises(UsageError, match="a study database with a search"):
        searches(open_storage(MEMORY))


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(UsageError, match=r"pip install 'hico-platform\[dashboard\]'"):
        dashboard_app(open_storage(MEMORY))


def test_level_weights_are_attributes_by_name_from_the_beginning_of_a_trial() -> None:
    space = toy_space(
        search={"contrast.level_weights": {"simplex": ["clip", "part", "domain", "instance"], "sum": 4}}, trials=3
    )
    storage = open_storage(MEMORY)
    ledger = StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=3, at_s=1.0)
    trial = ledger.begin(space, at_s=2.0)
    (frozen,) = storage.get_all_trials(storage.get_study_id_from_name("toy"))
    weights = {name: value for name, value in frozen.user_attrs.items() if name.startswith("contrast.level_weights.")}
    assert weights == {name: trial.values[name] for name in weights}
    assert len(weights) == 4
    assert sum(weights.values()) == pytest.approx(4)
