from __future__ import annotations

import sqlite3
from pathlib import Path

from hico_platform.commands.doctor import stores
from hico_platform.home import HomePaths
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from tests.toy import FACTS, toy_space
from tests.unit.commands.doctor.around import around, seen


def nothing(paths: HomePaths) -> str:
    return "nothing"


def test_a_database_that_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    assert [grade for _, grade, _ in seen(stores.check(around(tmp_path)))] == ["good", "good"]


def test_searches_are_counted(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.db")
    StudyLedger.create(open_storage(url), name="toy", space=toy_space(), facts=FACTS, limit=2, at_s=1.0)
    (found, _) = seen(stores.check(around(tmp_path, storage=url), ask_runs=nothing))
    assert found == ("study database", "good", f"{url}: 1 search")


def test_one_of_another_version_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    open_storage(sqlite_url(file))
    with sqlite3.connect(file) as opened:
        opened.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
        opened.execute("UPDATE version_info SET schema_version = 11")
    (found, _) = stores.check(around(tmp_path, storage=sqlite_url(file)), ask_runs=nothing)
    assert str(found.grade) == "wrong"
    assert "of an older Optuna" in found.found
    assert (found.remedy or "").startswith("back it up")


def test_one_that_does_not_answer_is_wrong_and_tells_no_password(tmp_path: Path) -> None:
    def away(paths: HomePaths) -> str:
        raise ConnectionError("no route to postgresql://me:secret@host/db")

    here = around(tmp_path, storage="postgresql+psycopg://me:secret@host/db", tracking="http://mlflow:5000")
    found = list(stores.check(here, ask_studies=away, ask_runs=away))
    assert [str(one.grade) for one in found] == ["wrong", "wrong"]
    assert "secret" not in str(found)
