"""A search of many short trials: how long it takes against what its trials take, and what its driver needs.

    python benchmarks/scale.py                                        # 200 trials of 1 s on 16 workers
    python benchmarks/scale.py --trials 10000                         # the floor is 625 s; wants 16 cores or more
    python benchmarks/scale.py --storage postgresql+psycopg://me@host/study

The trials sleep, report `--reports` times and leave checkpoints; Ray, the ledger and MLflow are real. The floor is
trials x seconds / workers. After each tenth of the trials it is printed how long those took against their floor, so
that a step which takes longer the more trials there are shows. The start (Ray, workers) is not counted: the clock
runs from the first beginning to the last end. Printed besides: the driver's processor time and resident memory for
each trial, by threads: its own (controller, ledger and Tune), the one that hands over what is written to MLflow, and
those of Ray's library; what MLflow's process, Ray's other ones and the workers used; and the ledger's transactions.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psutil
from sqlalchemy import Engine, event

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.commands.search import run_search
from hico_platform.home import HomePaths
from hico_platform.search.events import Event, TrialBegan, TrialEnded
from hico_platform.search.execution import ClusterOptions
from hico_platform.search.start import SearchRequest
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.tracker_process import tracker_process
from tests.toy import FACTS, toy_space, toy_trial


def processor_s() -> Counter[str]:
    """Seconds of processor so far: of the driver's threads, of Ray's processes and of workers."""
    driver = psutil.Process()
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    used: Counter[str] = Counter()
    for thread in driver.threads():
        name = names.get(thread.id, "Ray's threads")
        kind = {"MainThread": "its own thread", "tracking": "tracking"}.get(name, name)
        used[f"driver: {kind}"] += thread.user_time + thread.system_time
    for process in driver.children(recursive=True):
        try:
            times, name = process.cpu_times(), process.name()
            line = " ".join(process.cmdline()[:4])
        except psutil.Error:  # it has ended meanwhile
            continue
        kind = next(
            (kind for kind in ("raylet", "gcs_server", "Mailbox", "tracker_server") if kind in name or kind in line),
            None,
        )
        kind = (
            "MLflow's process"
            if kind == "tracker_server"
            else kind or ("workers" if "ray::" in line else "Ray's other processes")
        )
        used[kind] += times.user + times.system
    return used


class Meter:
    """Notes what the driver has used when trials end."""

    def __init__(self, *, trials: int, floor_s: float) -> None:
        self._process = psutil.Process()
        self._trials, self._floor_s = trials, floor_s
        self.began_s, self.ended_s, self.ended = 0.0, 0.0, 0
        self.begun_mib = self.cpu_s = self._last_s = self._last_cpu_s = 0.0
        self.writes = 0
        self.used: Counter[str] = Counter()

    def count(self) -> None:
        """Counts the transactions of study databases from now on."""

        @event.listens_for(Engine, "before_cursor_execute")
        def before(connection, cursor, statement, *_):  # type: ignore[no-untyped-def]
            if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE") and "trial" in statement:
                connection.info["writes"] = True

        @event.listens_for(Engine, "commit")
        def committed(connection):  # type: ignore[no-untyped-def]
            self.writes += connection.info.pop("writes", False)

    @property
    def mib(self) -> float:
        """The driver's resident memory."""
        return float(self._process.memory_info().rss) / 2**20

    def __call__(self, event: Event) -> None:
        """Notes the first beginning and each end."""
        now_s, cpu_s = time.monotonic(), time.process_time()
        if isinstance(event, TrialBegan) and not self.began_s:
            self.began_s = self._last_s = now_s
            self.cpu_s = self._last_cpu_s = cpu_s
            self.begun_mib = self.mib
            self.used = processor_s()
        if not isinstance(event, TrialEnded):
            return
        self.ended, self.ended_s = self.ended + 1, now_s
        tenth = max(1, self._trials // 10)
        if self.ended % tenth == 0:
            print(
                f"{self.ended:6} ended: {(now_s - self._last_s) / (self._floor_s * tenth / self._trials):6.2f} x the "
                f"floor, {1000 * (cpu_s - self._last_cpu_s) / tenth:6.1f} ms of processor a trial, {self.mib:5.0f} MiB",
                flush=True,
            )
            self._last_s, self._last_cpu_s = now_s, cpu_s
        if self.ended == self._trials:
            self.used = Counter({name: spent - self.used[name] for name, spent in processor_s().items()})


def main() -> int:
    """Runs the search and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--reports", type=int, default=5)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--tracking-in-driver", action="store_true", help="as before MLflow had a process of its own")
    parser.add_argument("--storage", help="study database (default: SQLite)")
    arguments = parser.parse_args()
    floor_s = arguments.trials * arguments.seconds / arguments.workers
    meter = Meter(trials=arguments.trials, floor_s=floor_s)
    meter.count()
    with tempfile.TemporaryDirectory(prefix="hico-scale-") as folder, ExitStack() as stack:
        log = Path(folder) / "trials.log"
        paths = HomePaths(home=Path(folder), **({"storage": arguments.storage} if arguments.storage else {}))
        space = toy_space(
            trials=arguments.trials,
            epochs=arguments.reports,
            scheduler={"name": "none", "report_every": 1},
            sampler={"name": arguments.sampler},
            resources={"cpus": 1, "max_concurrent": arguments.workers},
        )
        tracker = stack.enter_context(tracker_process(uri=paths.tracking_uri, artifacts=paths.artifacts))
        if arguments.tracking_in_driver:
            tracker = MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts)
        run_search(
            SearchRequest(name=f"scale-{int(time.time())}", space=space, facts=FACTS),
            paths=paths,
            function=functools.partial(toy_trial, epoch_s=arguments.seconds / arguments.reports, log=log),
            tracker=tracker,
            cluster=ClusterOptions(cpus=arguments.workers),
            observers=[meter],
        )
        processes = len({line.split()[-1] for line in log.read_text().splitlines()})
    whole_s, cpu_s = meter.ended_s - meter.began_s, time.process_time() - meter.cpu_s
    print(f"{arguments.trials} trials of {arguments.seconds:g} s on {arguments.workers} workers: {whole_s:.1f} s")
    print(f"floor {floor_s:.1f} s: {whole_s / floor_s:.2f} x")
    print(f"driver: {1000 * cpu_s / arguments.trials:.1f} ms of processor a trial, tracking included")
    for name, spent_s in meter.used.most_common():
        print(f"  {name}: {1000 * spent_s / arguments.trials:.1f} ms of processor a trial")
    print(f"workers: {processes} processes in all")
    grown_kib = 1024 * (meter.mib - meter.begun_mib) / arguments.trials
    print(f"driver: {meter.mib:.0f} MiB at the end, {grown_kib:.0f} KiB a trial")
    print(f"ledger: {meter.writes / arguments.trials:.1f} transactions a trial")
    return 0


if __name__ == "__main__":
    sys.exit(main())
