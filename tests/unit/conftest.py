"""A home that many tests begin with: made once for all of them, and copied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a finished search ``toy``, to be copied."""
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
    from tests.toy import FACTS
    from tests.unit.cli.test_search import SPACE, carry_out

    folder = tmp_path_factory.mktemp("finished")
    storage = open_storage(sqlite_url(folder / "study.db"))
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
    carry_out(ledger, folder / "searches" / "toy" / "trials", lambda event: None, fail=4)
    return folder


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> Path:
    """A home of this test's own with a finished search ``toy``."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path
