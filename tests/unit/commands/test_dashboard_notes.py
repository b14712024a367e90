"""Notes of trials for optuna-dashboard."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import dashboard_notes
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.optuna_ledger import open_storage, sqlite_url
from hico_platform.search.status import SearchStatus, search_status
from hico_platform.tracking import mlflow_pages


@pytest.fixture
def status(home: Path) -> SearchStatus:
    return search_status(HomePaths(home=home), "toy")


def test_the_best_and_the_failed_have_notes(status: SearchStatus) -> None:
    notes = dashboard_notes.trial_notes(status)
    assert status.best is not None
    best = notes[status.best.number]
    assert "**Complete after" in best
    assert f"{status.best.value:.4f}" in best
    assert f"hico-platform show toy {status.best.number}" in best
    (failed,) = [trial for trial in status.trials if trial.state is TrialState.FAILED]
    assert "**Failed after" in notes[failed.number]
    assert "ValueError: no" in notes[failed.number]


def test_few_are_written_however_many_trials_there_are(status: SearchStatus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_notes, "MOST", 1)
    assert status.best is not None
    failed = [trial.number for trial in status.trials if trial.state is TrialState.FAILED]
    assert list(dashboard_notes.trial_notes(status)) == [status.best.number, *failed]


@pytest.mark.parametrize("words", [(), ("--read-only",)])
def test_the_pages_have_them_unless_they_are_for_looking(
    home: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    pytest.importorskip("optuna_dashboard", reason="the extra dashboard is not installed")
    monkeypatch.setattr(mlflow_pages, "serve_optuna", lambda *given, **named: None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert main(["ui", "--optuna", "--home", str(home), "--port", str(port), *words]) == 0
    storage = open_storage(sqlite_url(home / "study.db"))
    attributes = storage.get_study_system_attrs(storage.get_study_id_from_name("toy"))
    noted = {name for name in attributes if name.startswith("dashboard:") and name.endswith(":note_ver")}
    assert bool(noted) is (words == ())
