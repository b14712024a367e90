"""Regret of search policies at equal epochs, over simulated learning curves.

    python benchmarks/policies.py --seeds 20 --epochs 600 --plot policies.png

The space is level_weights.yaml's. A configuration's final score is a smooth function of its settings with an
interaction; with --misleading, good settings also learn more slowly, so that early ranks mislead. Policies:

- study      this package: TPE + ASHA, a stopped trial counts at the epoch it reached
- stock      the same, but a stopped trial is told as complete with its last score, as Ray's OptunaSearch does
- random     random points, ASHA
- full       TPE, no stopping
- plain      random points, no stopping
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import random
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.config.shipped import find_space
from hico_platform.config.space import CheckedSpace, load_space
from hico_platform.config.trial import TrialConfig
from hico_platform.search.ledger.base import Ending, TrialState
from hico_platform.search.ledger.study import MEMORY, StudyLedger, open_storage
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.simulate import Curve, SimulatedClock, simulate
from hico_platform.search.steering import Steering
from hico_platform.search.task import TrialTask
from tests.toy import FACTS

EPOCHS = 27
POLICIES = {
    "study": ("tpe", "asha"),
    "stock": ("tpe", "asha"),
    "random": ("random", "asha"),
    "full": ("tpe", "none"),
    "plain": ("random", "none"),
}
ENCODERS = {"gru": 0.0, "lstm": 0.03, "transformer": -0.02}


class StockLedger(StudyLedger):
    """Tells the sampler of a stopped trial as of a complete one."""

    def record_ending(self, number: int, ending: Ending) -> None:
        if ending.state is TrialState.PRUNED:
            ending = dataclasses.replace(ending, state=TrialState.COMPLETE)
        super().record_ending(number, ending)


class Budgeted:
    """A course that begins no trial once its epochs are spent."""

    def __init__(self, course: Steering, epochs: int) -> None:
        self._course, self._left = course, epochs

    def next_task(self) -> TrialTask | None:
        return None if self._left <= 0 else self._course.next_task()

    def finished(self, number: int, *, epoch: int, **rest: object) -> None:
        self._left -= epoch
        self._course.finished(number, epoch=epoch, **rest)

    def __getattr__(self, name: str) -> object:
        return getattr(self._course, name)


def final_score(config: TrialConfig) -> float:
    weights = config.contrast.level_weights
    tau = math.log(config.contrast.temperature / 0.3)
    imbalance = (weights.instance - 2.4) ** 2 + (weights.domain - 0.9) ** 2 + 0.5 * (weights.clip - 0.2) ** 2
    queue = math.log2(config.contrast.queue_size / 1024)
    interaction = 0.03 * tau * queue
    return 0.6 + ENCODERS[config.model.encoder] - 0.06 * tau**2 - 0.02 * imbalance - 0.004 * queue**2 - interaction


def curve_of(task: TrialTask, noise: random.Random, misleading: float) -> Curve:
    config = task.config
    final = final_score(config)
    # Where early ranks mislead, what is good in the end is slow at first.
    late = 5 * config.contrast.level_weights.instance / 4 + (2 if config.model.encoder == "lstm" else 0)
    slowness = 4 + misleading * late
    return lambda epoch: final * (1 - math.exp(-epoch / slowness)) + noise.gauss(0, 0.008)


def search(space: CheckedSpace, *, policy: str, seed: int, epochs: int, misleading: float) -> list[tuple[int, float]]:
    """(epochs spent, true score of the best by validation at full length) as the search goes."""
    sampler, scheduler = POLICIES[policy]
    settings = dataclasses.replace(
        space.settings,
        sampler=dataclasses.replace(space.settings.sampler, name=type(space.settings.sampler.name)(sampler), seed=seed),
        scheduler=dataclasses.replace(
            space.settings.scheduler,
            name=type(space.settings.scheduler.name)(scheduler),
            grace_epochs=1,
        ),
        base=dataclasses.replace(space.base, budget=dataclasses.replace(space.base.budget, epochs=EPOCHS)),
    )
    space = dataclasses.replace(space, settings=settings)
    make = StockLedger if policy == "stock" else StudyLedger
    ledger = make.create(open_storage(MEMORY), name="policy", space=space, facts=FACTS, limit=10**6, at_s=0.0)
    clock, noise = SimulatedClock(), random.Random(seed)
    steering = Steering(
        ledger=ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=EPOCHS),
        directory=Path("policy"),
        observe=lambda event: None,
        clock=clock,
    )
    configs: dict[int, TrialConfig] = {}

    def remembered(task: TrialTask) -> Curve:
        configs[task.number] = task.config
        return curve_of(task, noise, misleading)

    result = simulate(Budgeted(steering, epochs), curve_of=remembered, clock=clock, workers=4)
    spent, best, found, reached = 0, -1.0, [], dict[int, int]()
    for told in result.told:
        spent += told.epoch - reached.get(told.number, 0)
        reached[told.number] = told.epoch
        if told.epoch == EPOCHS and told.value > best:
            best = told.value
            found.append((spent, final_score(configs[told.number])))
    return found


def at(course: list[tuple[int, float]], epochs: int) -> float:
    return next((value for spent, value in reversed(course) if spent <= epochs), 0.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--misleading", type=float, default=0.0, help="how much early ranks mislead, 0 to 1")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    space = load_space(find_space("level_weights"))
    marks = [round(arguments.epochs * part) for part in (0.25, 0.5, 0.75, 1.0)]
    courses: dict[str, list[list[tuple[int, float]]]] = {}
    for policy in POLICIES:
        courses[policy] = [
            search(space, policy=policy, seed=seed, epochs=arguments.epochs, misleading=arguments.misleading)
            for seed in range(arguments.seeds)
        ]
    best = max(value for runs in courses.values() for run in runs for _, value in run)
    print(f"mean regret over {arguments.seeds} seeds (+- standard error) after so many epochs; best seen {best:.4f}")
    print("policy   " + "".join(f"{mark:>18}" for mark in marks))
    for policy, runs in courses.items():
        cells = []
        for mark in marks:
            regrets = [best - at(run, mark) for run in runs]
            error = statistics.stdev(regrets) / math.sqrt(len(regrets)) if len(regrets) > 1 else 0.0
            cells.append(f"{statistics.fmean(regrets):.4f} +- {error:.4f}")
        print(f"{policy:<9}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    if arguments.plot:
        plot(courses, best, arguments.epochs, arguments.plot)
    return 0


def plot(courses: dict[str, list[list[tuple[int, float]]]], best: float, epochs: int, file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    grid = range(EPOCHS, epochs + 1, 5)
    mean: Callable[[list[list[tuple[int, float]]], int], float] = lambda runs, mark: statistics.fmean(  # noqa: E731
        best - at(run, mark) for run in runs
    )
    for policy, runs in courses.items():
        axes.plot(list(grid), [mean(runs, mark) for mark in grid], label=policy)
    axes.set(xlabel="epochs trained in all", ylabel="mean regret of kNN top-1", yscale="log")
    axes.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
