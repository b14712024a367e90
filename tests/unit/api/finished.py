"""A home with a finished search, for what reads one."""

from __future__ import annotations

from pathlib import Path

from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from tests.toy import FACTS, toy_space
from tests.unit.cli.test_search import carry_out


def finished_search(home: Path, *, name: str = "example", trials: int = 4, fail: int | None = None) -> Path:
    """The home, with a toy search over level weights, temperature and encoder."""
    space = toy_space(
        trials=trials,
        search={
            "contrast.temperature": {"low": 0.05, "high": 0.5, "log": True},
            "contrast.level_weights": {"simplex": ["clip", "part", "domain", "instance"], "sum": 4},
            "model.encoder": {"choice": ["gru", "lstm", "transformer"]},
        },
    )
    home.mkdir(parents=True, exist_ok=True)
    storage = open_storage(sqlite_url(home / "study.db"))
    ledger = StudyLedger.create(storage, name=name, space=space, facts=FACTS, limit=trials, at_s=0.0)
    carry_out(ledger, home / "searches" / name / "trials", lambda event: None, fail=fail)
    return home
