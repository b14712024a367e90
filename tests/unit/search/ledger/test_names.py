from __future__ import annotations

import pytest

from hico_platform.errors import UsageError
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
