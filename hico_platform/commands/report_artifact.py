"""Keeps a search's report with its run in the tracking store, without failing or delaying what came before."""

from __future__ import annotations

import logging
import threading

from hico_platform.errors import first_line
from hico_platform.home import HomePaths
from hico_platform.tracking.base import Tracker

REPORT = "report.html"
"""The name of the artifact."""
PATIENCE_S = 20.0
_log = logging.getLogger(__name__)


def keep_report(paths: HomePaths, name: str, *, tracker: Tracker, patience_s: float = PATIENCE_S) -> str | None:
    """Makes the report of the search ``name`` and uploads it to the search's run, where there is one.

    What takes longer than ``patience_s`` is left behind, since the next end of a search or retraining makes it anew.
    Returns why the report is not there, or None.
    """
    found: list[str | None] = []

    def work() -> None:
        try:
            found.append(_keep(paths, name, tracker))
        except Exception as error:  # the search is over and whole: nothing is to fail for its report
            found.append(first_line(error) or type(error).__name__)

    thread = threading.Thread(target=work, name="report", daemon=True)
    thread.start()
    thread.join(patience_s)
    why = found[0] if found else f"it was not there after {patience_s:g} s"
    if why is not None:
        _log.info("the report of %s is not in the tracking store: %s", name, why)
    return why


def keep_report_of_search(paths: HomePaths, name: str) -> str | None:
    """Uploads the report of the search ``name`` to MLflow, as :func:`keep_report` does."""
    from hico_platform.tracking.mlflow_tracker import MlflowTracker

    return keep_report(paths, name, tracker=MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts))


def _keep(paths: HomePaths, name: str, tracker: Tracker) -> str | None:
    from hico_platform.commands.report import report_content
    from hico_platform.report.page import render
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    ledger = StudyLedger.open(open_storage(paths.storage_url, create=False), name=name, settle=False)
    run_id = ledger.note("run")
    if not run_id:
        return "the search has no run there"
    tracker.log_text(str(run_id), render(report_content(paths, name)), name=REPORT)
    return None
