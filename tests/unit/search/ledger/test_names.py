from __future__ import annotations

import optuna
import pytest

from hico_platform.errors import UsageError
from hico_platform.search.ledger.names import other_study_names, refuse_other_study, search_names, unknown_search
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from tests.toy import FACTS, toy_space


def test_a_search_that_never_began_a_trial_leaves_its_name_free(tmp_path) -> None:
    storage = open_storage(sqlite_url(tmp_path / "study.db"))

    def create() -> StudyLedger:
        StudyLedger.forget_unbegun(storage, name="toy")
        return StudyLedger.create(storage, name="toy", space=toy_space(), facts=FACTS, limit=3, at_s=0.0)

    create()
    ledger = create()
    ledger.begin(toy_space(), at_s=0.0)
    with pytest.raises(UsageError, match="a name that no search has yet"):
        create()
    assert len(ledger.trials()) == 1


def test_a_study_that_something_else_made_is_refused_unless_it_is_empty() -> None:
    storage = open_storage("memory:")
    for name in ("empty", "noted", "tried"):
        optuna.create_study(storage=storage, study_name=name)
    optuna.load_study(storage=storage, study_name="noted").set_user_attr("by", "somebody")
    optuna.load_study(storage=storage, study_name="tried").ask()
    StudyLedger.create(storage, name="toy", space=toy_space(), facts=FACTS, limit=3, at_s=0.0)
    assert (search_names(storage), other_study_names(storage)) == (("toy",), ("empty", "noted", "tried"))
    for name in ("empty", "toy", "none"):
        refuse_other_study(storage, name=name)
    for name in ("noted", "tried"):
        with pytest.raises(UsageError, match=f"name: expected a name that no other study has, got '{name}'; .* --name"):
            refuse_other_study(storage, name=name)


def test_an_unknown_search_is_named_with_those_there_are() -> None:
    storage = open_storage("memory:")
    rule = "name: expected the name of a search, got"
    said = str(unknown_search(storage, name="toy"))
    assert said == f"{rule} 'toy'; choose among the searches here: none yet"
    optuna.create_study(storage=storage, study_name="other")
    for name in ("second", "first"):
        StudyLedger.create(storage, name=name, space=toy_space(), facts=FACTS, limit=3, at_s=0.0)
    said = str(unknown_search(storage, name="other"))
    other = "'other, a study that this package did not make'"
    assert said == f"{rule} {other}; choose among the searches here: first, second"


def test_a_former_name_leads_to_the_present_one() -> None:
    storage = open_storage("memory:")
    study = optuna.create_study(storage=storage, study_name="now")
    study.set_user_attr("search", {"former_names": ["before", "then"]})
    assert str(unknown_search(storage, name="then")) == (
        "name: expected the name of a search, got 'then'; give now, as it has been renamed"
    )
    study.set_user_attr("search", "damaged")
    assert "choose among the searches here: now" in str(unknown_search(storage, name="then"))
