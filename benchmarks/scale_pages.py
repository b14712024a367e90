"""MLflow's pages of a large search: how long until its trials show, sorted again, and the next ones.

    python benchmarks/scale_pages.py --trials 10000 [--home DIR] [--pictures DIR]

The study is made up as in ``scale_reading.py``. The runs of a hundred trials are written to MLflow as a resumed search
writes what its store lacks, which is timed, and copied row by row, with other scores, to as many as are asked for. Then
``hico-platform ui`` serves it, and Chromium opens the address that it prints. ``--home`` is kept, and used again where
it holds the search.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.scale_reading import CLI, make_home
from hico_platform.config.space import space_from
from hico_platform.home import HomePaths
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger
from hico_platform.tracking.tracker_process import tracker_process

NAME = "search-00"
VIEW = "&viewStateShareKey=hico"
"""The part of the address by which MLflow opens the search's view, whose order goes before the address's."""
WRITTEN = 100


def write_runs(paths: HomePaths) -> float:
    """Writes what the store lacks; returns seconds."""
    ledger = StudyLedger.open(open_storage(paths.storage_url), name=NAME)
    began_s = time.monotonic()
    with tracker_process(uri=paths.tracking_uri, artifacts=paths.artifacts) as tracker:
        logger = SearchLogger(
            ledger=ledger,
            space=space_from(ledger.search.source),
            tracker=tracker,
            outbox=Outbox(),
            checkpoint=lambda recorded: paths.checkpoint(ledger.search, recorded),
        )
        left = logger.close(status=RunStatus.FINISHED, patience_s=60.0)
        assert left == 0, f"{left} writes were given up"
    return time.monotonic() - began_s


def copy_runs(file: Path, *, trials: int) -> None:
    """Makes the runs of a store as many as ``trials``, all below the search's own."""
    draw = random.Random(0)
    with closing(sqlite3.connect(file)) as store, store:
        originals = [row[0] for row in store.execute("SELECT run_uuid FROM runs WHERE name <> ?", [NAME])]
        tables = {
            name: [row[1] for row in store.execute(f"PRAGMA table_info({name})")]
            for name in ("runs", "latest_metrics", "metrics", "params", "tags", "inputs")
        }
        for number in range(WRITTEN, trials):
            old, new = originals[number % len(originals)], f"{number:032x}"
            shift = draw.gauss(0, 0.02)
            for table, columns in tables.items():
                key = "destination_id" if table == "inputs" else "run_uuid"
                for row in store.execute(f"SELECT * FROM {table} WHERE {key} = ?", [old]).fetchall():
                    values = dict(zip(columns, row, strict=True)) | {key: new}
                    if table == "inputs":
                        values["input_uuid"] = uuid.UUID(int=draw.getrandbits(128)).hex
                    if table == "runs":
                        values |= {"name": f"{NAME}-{number:04d}", "artifact_uri": row[11].replace(old, new)}
                    if table in ("metrics", "latest_metrics") and values["key"].startswith("val/"):
                        values["value"] += shift
                    if table == "tags":
                        other = {
                            "hico.trial": str(number),
                            "hico.key": f"{values['value'].rpartition('/')[0]}/{number}",
                            "mlflow.runName": f"{NAME}-{number:04d}",
                        }
                        values["value"] = other.get(values["key"], values["value"])
                    marks = ", ".join("?" * len(values))
                    store.execute(f"INSERT INTO {table} VALUES ({marks})", list(values.values()))


def timed(what: str, until: Callable[[], Any]) -> None:
    """Prints how long something took."""
    began_s = time.monotonic()
    until()
    print(f"{what}: {time.monotonic() - began_s:.1f} s", flush=True)


def browse(paths: HomePaths, pictures: Path | None) -> None:
    """Opens the search as the address that ``ui`` prints does, and goes on from there."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(CLI), "ui", "--home", str(paths.home), "--port", str(port)]
    with (
        subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as process,
        sync_playwright() as playwright,
    ):
        try:
            assert process.stdout is not None
            addresses = dict(process.stdout.readline().split() for _ in range(2))
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1900, "height": 1200})
            page.set_default_timeout(120_000)
            rows = page.get_by_role("link", name=f"{NAME}-")

            def shown(name: str) -> None:
                if pictures is not None:
                    page.wait_for_timeout(2000)
                    page.screenshot(path=pictures / f"{name}.png")

            def first_rows() -> None:
                page.goto(addresses[NAME])
                rows.first.wait_for()

            timed("the search's address until its best trials show", first_rows)
            shown("best")
            print(f"  {rows.count()} links to trials are on the page")

            def worst_first() -> None:
                page.goto(page.url.replace("orderByAsc=false", "orderByAsc=true").replace(VIEW, ""))
                page.reload()
                rows.first.wait_for()

            timed("sorted the other way round", worst_first)
            shown("worst")

            def one() -> None:
                rows.first.click()
                page.get_by_role("tab", name="Model metrics").wait_for()

            timed("one trial", one)
            shown("trial")
            browser.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def main() -> int:
    """Prints what each page took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("NO_COLOR", "1")
    with tempfile.TemporaryDirectory(prefix="hico-pages-") as folder:
        home = arguments.home or Path(folder) / "home"
        paths = HomePaths(home=home)
        if not (home / "study.db").exists():
            make_home(home, searches=1, trials=WRITTEN)
            print(f"{WRITTEN} runs written in {write_runs(paths):.0f} s", flush=True)
            copy_runs(home / "mlflow.db", trials=arguments.trials)
        browse(paths, arguments.pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
