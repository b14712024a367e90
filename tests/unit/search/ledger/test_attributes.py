from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from hico_platform.search.ledger.attributes import study_attributes
from hico_platform.search.ledger.optuna_ledger import open_storage, sqlite_url

KEPT = {"request:1": {"a": [1, None]}, "request:2": "ü", "answer:1": True, "note:x": 3, "my request:3": 4, "search": {}}


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.storages.BaseStorage:
    return open_storage("memory:" if request.param == "memory" else sqlite_url(tmp_path / "study.db"))


def test_those_whose_names_begin_so_and_of_this_study_alone(storage: optuna.storages.BaseStorage) -> None:
    one, other = (
        storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], study_name=name) for name in ("one", "other")
    )
    for key, value in KEPT.items():
        storage.set_study_user_attr(one, key, value)
    storage.set_study_user_attr(other, "request:9", "another's")
    found = study_attributes(storage, one, prefixes=("request:", "answer:"))
    assert found == {key: KEPT[key] for key in ("request:1", "request:2", "answer:1")}
    assert json.dumps(study_attributes(storage, one, prefixes=("note:",))) == '{"note:x": 3}'
    assert study_attributes(storage, other, prefixes=("answer:",)) == {}
