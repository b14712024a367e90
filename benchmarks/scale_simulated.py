"""A search on a cluster that is not here: simulated workers and time, the real controller, scheduler and ledger.

    python benchmarks/scale_simulated.py --trials 10000 --gpus 100                       # a minute: ledger in memory
    python benchmarks/scale_simulated.py --trials 1000 --gpus 100 --ledger sqlite        # minutes

Trials train five minutes, 30 % more or less, and report five times; nodes of eight GPUs are lost at random and come
back ten minutes later, and their trials go on from their last report. The driver answers one message after the other,
and each takes the processor time that it really takes here, times `--slower` for what is not simulated (Ray, MLflow, a
slower machine). So a driver that is too slow keeps GPUs waiting, as it would in a cluster. Printed after each tenth of
the trials: the driver's processor time for a trial, how busy that keeps it, and at the end the share of the GPUs' time
that was not training.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.config.space import CheckedSpace
from hico_platform.enums import Decision
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.simulator import SimulatedClock
from hico_platform.search.task import TrialTask
from tests.toy import FACTS, score, toy_outcome, toy_report, toy_space

NODE_GPUS = 8
AWAY_S = 600.0
REPORTS = 5


@dataclass(order=True)
class Happening:
    at_s: float
    order: int
    what: str = field(compare=False)
    place: int = field(compare=False)
    life: int = field(compare=False, default=0)


class Cluster:
    """GPUs that train what the controller hands out; one driver serves them all."""

    def __init__(self, controller: SearchController, clock: SimulatedClock, arguments: argparse.Namespace) -> None:
        self.controller, self.clock = controller, clock
        self.gpus, self.slower = arguments.gpus, arguments.slower
        self.epoch_s = 60.0 * arguments.minutes / REPORTS
        self.between_s = 3600.0 * arguments.hours_between_losses
        self.draw = random.Random(0)
        self.order = itertools.count()
        self.coming: list[Happening] = []
        self.at_work: dict[int, tuple[TrialTask, int]] = {}
        self.epochs: dict[int, int] = {}
        self.lives = [0] * self.gpus
        self.free_s = self.busy_s = self.lost_s = self.latest_s = 0.0
        self.ended = self.losses = 0

    def served(self, work):  # type: ignore[no-untyped-def]
        """Does a piece of the driver's work when it comes to it, and lets the time pass that it takes."""
        self.clock.now_s = max(self.clock.now_s, self.free_s)
        began_s = time.process_time()
        result = work()
        took_s = self.slower * (time.process_time() - began_s)
        self.clock.now_s += took_s
        self.free_s, self.busy_s = self.clock.now_s, self.busy_s + took_s
        return result

    def put(self, after_s: float, what: str, place: int) -> None:
        heapq.heappush(
            self.coming, Happening(self.clock.now_s + after_s, next(self.order), what, place, self.lives[place])
        )

    def hand_out(self, gpu: int) -> None:
        task = self.served(self.controller.next_task)
        if task is None:
            return
        self.at_work[gpu] = task, self.epochs.setdefault(task.number, 0)
        self.put(self.seconds(task.number), "report", gpu)

    def seconds(self, number: int) -> float:
        """Of an epoch of a trial."""
        return self.epoch_s * random.Random(number).uniform(0.7, 1.3)

    def report(self, gpu: int) -> None:
        task, epoch = self.at_work[gpu]
        epoch += 1
        value = score(task.config.contrast.temperature, epoch)
        decision = self.served(lambda: self.controller.reported(task.number, toy_report(epoch, value)))
        self.at_work[gpu], self.epochs[task.number] = (task, epoch), epoch
        if epoch < REPORTS and decision is Decision.CONTINUE:
            self.put(self.seconds(task.number), "report", gpu)
            return
        stopped = epoch < REPORTS
        self.served(lambda: self.controller.finished(task.number, toy_outcome(epoch, value, stopped_early=stopped)))
        del self.at_work[gpu]
        self.ended, self.latest_s = self.ended + 1, self.clock.now_s
        self.hand_out(gpu)

    def lose_node(self) -> None:
        first = NODE_GPUS * self.draw.randrange(max(1, self.gpus // NODE_GPUS))
        self.losses += 1
        for gpu in range(first, min(first + NODE_GPUS, self.gpus)):
            self.lives[gpu] += 1
            if gpu in self.at_work:
                task, _ = self.at_work.pop(gpu)
                self.served(lambda task=task: self.controller.lost(task.number, reason="its machine went away"))
            self.lost_s += AWAY_S
            self.put(AWAY_S, "back", gpu)

    def run(self) -> None:
        for gpu in range(self.gpus):
            self.hand_out(gpu)
        loss_s = self.draw.expovariate(1 / self.between_s)
        while self.coming:
            if self.coming[0].at_s > loss_s and self.at_work:
                self.clock.now_s = max(self.clock.now_s, loss_s)
                loss_s += self.draw.expovariate(1 / self.between_s)
                self.lose_node()
                continue
            happening = heapq.heappop(self.coming)
            if happening.life != self.lives[happening.place]:
                continue  # of a node that was lost
            self.clock.now_s = happening.at_s
            (self.report if happening.what == "report" else self.hand_out)(happening.place)


def ledger_of(kind: str, space: CheckedSpace, folder: Path, *, limit: int) -> Ledger:
    if kind == "memory":
        return MemoryLedger(name="toy", space=space, facts=FACTS, limit=limit, at_s=0.0)
    storage = open_storage(sqlite_url(folder / "study.db"))
    return StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=limit, at_s=0.0)


def main() -> int:
    """Runs the search and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--gpus", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--hours-between-losses", type=float, default=1.0)
    parser.add_argument("--ledger", choices=["memory", "sqlite"], default="memory")
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--scheduler", default="none")
    parser.add_argument("--gpu-hours", type=float, help="a budget, as stop.gpu_hours")
    parser.add_argument("--slower", type=float, default=1.0)
    arguments = parser.parse_args()
    more = {"report_every": 1} if arguments.scheduler == "none" else {"grace_epochs": 1}
    space = toy_space(
        trials=arguments.trials,
        epochs=REPORTS,
        scheduler={"name": arguments.scheduler, **more},
        sampler={"name": arguments.sampler},
        resources={"cpus": 1, "gpus": 1},
        **({"stop": {"gpu_hours": arguments.gpu_hours}} if arguments.gpu_hours else {}),
    )
    clock = SimulatedClock()
    with tempfile.TemporaryDirectory(prefix="hico-scale-") as folder:
        ledger = ledger_of(arguments.ledger, space, Path(folder), limit=arguments.trials)
        said = [0, 0.0, 0.0]

        def observe(event: object) -> None:
            tenth = max(1, arguments.trials // 10)
            if cluster.ended >= said[0] + tenth:
                busy_s, now_s = cluster.busy_s - said[1], clock.now_s - said[2]
                print(
                    f"{cluster.ended:6} ended after {clock.now_s / 3600:5.2f} h: driver {1000 * busy_s / tenth:6.1f} ms"
                    f" a trial, busy for {100 * busy_s / now_s:5.1f} %",
                    flush=True,
                )
                said[:] = [cluster.ended, cluster.busy_s, clock.now_s]

        controller = SearchController(
            ledger=ledger,
            space=space,
            scheduler=make_scheduler(space.settings.scheduler, epochs=REPORTS),
            directory=Path(folder) / "trials",
            observe=observe,
            clock=clock,
        )
        cluster = Cluster(controller, clock, arguments)
        cluster.run()
        trials = ledger.trials()
    trained = sum(len(trial.reports) * cluster.seconds(trial.number) for trial in trials)
    given = cluster.latest_s * cluster.gpus - cluster.lost_s
    whole = all(trial.state.is_final and len(trial.curve) == len(trial.reports) for trial in trials)
    print(
        f"{len(trials)} trials on {cluster.gpus} GPUs, {cluster.losses} nodes lost: {cluster.latest_s / 3600:.2f} h, "
        f"floor {trained / cluster.gpus / 3600:.2f} h; {100 * (1 - trained / given):.1f} % of the GPUs' time (without "
        f"nodes that were away) not training; every trial ended once: {whole}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
