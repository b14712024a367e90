"""What a search's driver takes of the processor for each trial, without Ray: its ledger and controller, and MLflow.

    python benchmarks/scale_driver.py                        # 100 trials of five reports, 16 at once
    python benchmarks/scale_driver.py --rows-by-optuna       # every row written by Optuna, as before decision 0022
    python benchmarks/scale_driver.py --tracking             # with MLflow's thread, which all that happened waits for

Processor time, so a machine that does other things besides gives nearly the same. Trials do nothing but report; the
driver looks for requests at each report, as it does under Ray. With ``--tracking`` all is reported before MLflow is
waited for: this is the cost of a store that does not keep up.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.search.controller import SearchController
from hico_platform.search.ledger import trial_rows
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.task import TrialTask
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger
from tests.toy import FACTS, toy_outcome, toy_report, toy_space


def tracking_s() -> float:
    """Seconds of processor that the threads have used which write to MLflow."""
    ids = {thread.native_id for thread in threading.enumerate() if thread.name == "tracking"}
    threads = psutil.Process().threads()
    return float(sum(thread.user_time + thread.system_time for thread in threads if thread.id in ids))


def work_off(controller: SearchController, *, trials: int, at_once: int, reports: int) -> None:
    """Every trial reports and ends; as many as that run at any moment."""
    running: list[TrialTask] = []
    for _ in range(trials + at_once):
        if len(running) >= at_once or not (task := controller.next_task()):
            if not running:
                return
            ended = running.pop(0)
            for epoch in range(1, reports + 1):
                controller.look(now=True)
                controller.reported(ended.number, toy_report(epoch, history=((epoch, {"loss": 1.0}),)))
            controller.finished(ended.number, toy_outcome(reports))
            task = controller.next_task()
        if task:
            running.append(task)


def main() -> int:
    """Prints milliseconds of processor a trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--reports", type=int, default=5)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--rows-by-optuna", action="store_true")
    parser.add_argument("--tracking", action="store_true")
    arguments = parser.parse_args()
    if arguments.rows_by_optuna:
        trial_rows.has_known_schema = lambda connection: False
    space = toy_space(
        trials=arguments.trials,
        epochs=arguments.reports,
        scheduler={"name": "none", "report_every": 1},
        sampler={"name": arguments.sampler},
    )
    with tempfile.TemporaryDirectory(prefix="hico-scale-") as folder:
        home = Path(folder)
        storage = open_storage(sqlite_url(home / "study.db"))
        ledger = StudyLedger.create(
            storage, name="toy", space=space, facts=FACTS, limit=arguments.trials, at_s=time.time()
        )
        outbox, logger = Outbox(), None
        if arguments.tracking:
            tracker = MlflowTracker(uri=sqlite_url(home / "mlflow.db"), artifacts=home / "artifacts")
            logger = SearchLogger(
                ledger=ledger, space=space, tracker=tracker, outbox=outbox, checkpoint=lambda name: home / "study.db"
            )
        controller = SearchController(
            ledger=ledger,
            space=space,
            scheduler=make_scheduler(space.settings.scheduler, epochs=arguments.reports),
            directory=home,
            observe=logger or (lambda event: None),
        )
        while outbox.waiting:  # MLflow makes its database
            time.sleep(0.1)
        began_s, before_s = time.thread_time(), tracking_s()
        work_off(controller, trials=arguments.trials, at_once=arguments.at_once, reports=arguments.reports)
        print(f"ledger and controller: {1000 * (time.thread_time() - began_s) / arguments.trials:.1f} ms a trial")
        if logger is not None:
            while sum(logger.waiting):
                time.sleep(0.1)
            print(f"MLflow: {1000 * (tracking_s() - before_s) / arguments.trials:.1f} ms a trial", flush=True)
            logger.close(status=RunStatus.FINISHED, patience_s=5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
