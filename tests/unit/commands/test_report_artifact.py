from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hico_platform.commands import report_artifact
from hico_platform.commands.report_artifact import keep_report
from hico_platform.home import HomePaths
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.tracking.base import TrackingError
from tests.toy import FACTS, toy_space


class Artifacts:
    """A tracking store that remembers texts, or is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.kept: list[tuple[str, str, str]] = []
        self._away = away

    def log_text(self, run_id: str, text: str, *, name: str) -> None:
        if self._away:
            raise TrackingError("nobody answers")
        self.kept.append((run_id, name, text))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("hico_platform.report.page._plotly", lambda: "")
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    ledger = StudyLedger.create(storage, name="toy", space=toy_space(), facts=FACTS, limit=5, at_s=0.0)
    ledger.set_note("run", "7")
    return tmp_path


def test_the_report_lies_with_the_run_of_the_search(home: Path) -> None:
    tracker = Artifacts()
    assert keep_report(HomePaths(home=home), "toy", tracker=tracker) is None  # type: ignore[arg-type]
    ((run_id, name, page),) = tracker.kept
    assert (run_id, name) == ("7", "report.html")
    assert "<title>toy: HiCo search report</title>" in page


def test_nothing_fails_where_it_cannot_be_kept(home: Path) -> None:
    away = Artifacts(away=True)
    assert keep_report(HomePaths(home=home), "toy", tracker=away) == "nobody answers"  # type: ignore[arg-type]
    unknown = keep_report(HomePaths(home=home), "other", tracker=Artifacts())  # type: ignore[arg-type]
    assert unknown is not None
    assert "other" in unknown


def test_a_store_that_is_slow_is_not_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr(report_artifact, "_keep", lambda *_: answer.wait() and None)
    why = keep_report(HomePaths(home=home), "toy", tracker=Artifacts(), patience_s=0.01)  # type: ignore[arg-type]
    answer.set()
    assert why == "it was not there after 0.01 s"
