"""A search as people browse it in MLflow's pages, in a browser, behind the guard of ``ui``."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger
from tests.exported import small_export
from tests.mlflow_store import mlflow_home
from tests.toy import FACTS, run_toy_task, toy_space

pytestmark = pytest.mark.e2e
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_MS = 90_000
# Parts of MLflow that ui does not serve, and a page of a server with accounts: the pages do without them.
DONE_WITHOUT = re.compile(r"/(assistant|gateway-proxy|gateway|users/current|ui-telemetry|webhooks|workspaces)")


@dataclass
class Pages:
    """The addresses that ``ui`` printed, a page of the browser, and the requests that failed in it."""

    addresses: dict[str, str]
    page: Any
    scores: dict[str, float]
    refused: list[str] = field(default_factory=list)


def toy_home(home: Path) -> dict[str, float]:
    """A home with a toy search and its model; returns the scores of its trials by the names of their runs."""
    space = toy_space(trials=5, scheduler={"name": "median", "grace_epochs": 9})
    more = {"dataset": "toys", "data": "home:data/toys", "train_sequences": 12, "validation_sequences": 4}
    ledger = MemoryLedger(name="toy", space=space, facts=replace(FACTS, more=more), limit=5, at_s=1_700_000_000.0)
    tracker = mlflow_home(home)
    logger = SearchLogger(
        ledger=ledger, space=space, tracker=tracker, outbox=Outbox(), checkpoint=lambda recorded: home / recorded
    )
    controller = SearchController(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=home,
        observe=logger,
    )
    while task := controller.next_task():
        run_toy_task(controller, task)
    assert logger.close(status=RunStatus.FINISHED, patience_s=60) == 0
    small_export(home / "model")
    trials = ledger.trials()
    tracker.register_champion(
        "toy",
        run_id=str(trials[0].run_id),
        model=home / "model",
        loader="hico_platform.export",
        description="## Scores on the test split\n\n| 1-NN |\n| --- |\n| 50.0 |",
        tags={},
    )
    assert all(trial.state is TrialState.COMPLETE for trial in trials)
    return {f"toy-{trial.number:04d}": trial.value or 0.0 for trial in trials}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: install the package chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make install")
    folder = tmp_path_factory.mktemp("pages")
    scores = toy_home(folder / "home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "hico_platform", "ui", "--home", str(folder / "home"), "--port", str(port)]
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths}
    with (
        subprocess.Popen(command, text=True, stdout=subprocess.PIPE, cwd=folder, env=environment) as process,
        sync_api.sync_playwright() as playwright,
    ):
        try:
            assert process.stdout is not None
            addresses = dict(process.stdout.readline().split() for _ in range(2))
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
            page = browser.new_page(viewport={"width": 1900, "height": 1200})
            page.set_default_timeout(PATIENCE_MS)
            found = Pages(addresses=addresses, page=page, scores=scores)
            page.on("response", lambda answer: _note(found, answer))
            yield found
            page.screenshot(path=folder / "last.png")
            browser.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _note(pages: Pages, answer: Any) -> None:
    if answer.status >= 400 and not DONE_WITHOUT.search(answer.url):
        pages.refused.append(f"{answer.status} {answer.request.method} {answer.url}")


def test_a_search_its_trials_and_its_model(pages: Pages) -> None:
    page, scores = pages.page, pages.scores
    best_first = sorted(scores, key=lambda name: -scores[name])

    # The search opens with its trials, the best first.
    page.goto(pages.addresses["toy"])
    page.get_by_role("link", name=best_first[-1]).first.wait_for()
    assert shown_runs(page) == best_first
    assert page.get_by_text("toys (xsub, train)").first.is_visible()

    # Sorted the other way round.
    page.goto(page.url.replace("orderByAsc=false", "orderByAsc=true").replace("&viewStateShareKey=hico", ""))
    page.reload()
    page.get_by_role("link", name=best_first[0]).first.wait_for()
    assert shown_runs(page) == best_first[::-1]

    # A trial: its note, dataset and source, its curves, its checkpoint.
    page.get_by_role("link", name=best_first[0]).first.click()
    page.get_by_text("toys (xsub, train)").first.wait_for()
    page.get_by_text("Complete after 9 epochs").wait_for()
    assert page.get_by_text("hico-platform search").first.is_visible()
    page.get_by_role("tab", name="Model metrics").click()
    for curve in ("(train/loss)", "(val/knn_top1)"):
        page.get_by_text(curve).first.wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("checkpoint", exact=True).first.wait_for()

    # The search's own run, from the experiment's description (whose links open another tab).
    page.goto(pages.addresses["toy"])
    own = page.get_by_role("link", name="The search toy").get_attribute("href")
    page.goto(f"{page.url.partition('#')[0]}{own}")
    page.get_by_text("5 of 5 trials ended").first.wait_for()
    page.get_by_text("hico-platform retrain toy").first.wait_for()

    # The best trial's model: its scores, of which dataset, and its run.
    page.goto(re.sub(r"/runs\b.*", "/models?workflowType=machine_learning", pages.addresses["toy"]))
    page.get_by_role("link", name=best_first[0]).first.click()
    page.get_by_text("its scores are of validation subjects").wait_for()
    page.get_by_text("toys (xsub, validation)").first.wait_for()
    page.get_by_role("link", name=best_first[0]).first.wait_for()

    # The registered model with its card.
    page.goto(pages.addresses["models"])
    page.get_by_role("link", name="toy").first.wait_for()
    page.goto(f"{page.url.partition('#')[0]}#/models/toy/versions/1")
    page.get_by_role("heading", name="Scores on the test split").wait_for()
    page.get_by_text("champion").first.wait_for()
    assert pages.refused == []


def shown_runs(page: Any) -> list[str]:
    """The names of the runs in the table, from top to bottom; its rows lie in no order in the document."""
    links = page.get_by_role("link", name=re.compile(r"^toy-\d{4}$")).all()
    tops = {link.inner_text(): link.bounding_box()["y"] for link in links}
    return sorted(tops, key=lambda name: tops[name])
