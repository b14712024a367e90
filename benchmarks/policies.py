"""Regret of search policies at equal epochs, over simulated or recorded learning curves.

    python benchmarks/policies.py --seeds 20 --epochs 600 --plot policies.png
    python benchmarks/policies.py --seeds 20 --epochs 600 --misleading 1
    python benchmarks/policies.py --seeds 20 --epochs 600 --home DIR --recorded NAME    the curves of a search

The space is level_weights.yaml's, or that of the recorded search. Simulated, a configuration's final score is a
smooth function of its settings with an interaction; with --misleading, good settings also learn more slowly, so that
early ranks mislead. Policies:

- study      this package: TPE + ASHA, a stopped trial counts at the epoch it reached
- stock      Ray's own OptunaSearch and ASHAScheduler, at their defaults, over the same coordinates: a stopped trial is
             report as complete with its last score
- random     random points, ASHA
- full       TPE, no stopping
- plain      random points, no stopping

All begin with the base. The incumbent at a moment is the best by its score at full length; its regret is the
distance of its true score from the best that any policy saw.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import random
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.config.package_files import find_space
from hico_platform.config.schema import Scalar, flatten, replace
from hico_platform.config.space import CheckedSpace, SamplerName, SchedulerName, load_space
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Decision
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import Origin
from hico_platform.search.ledger.optuna_ledger import MEMORY, StudyLedger, open_storage, sqlite_url
from hico_platform.search.ledger.samplers import distribution_of
from hico_platform.search.messages import EpochReport, TrialOutcome
from hico_platform.search.replay_curves import RecordedCurves
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.simulator import CurveFunction, SimulatedClock, simulate
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


class Stock:
    """The course of a search by Ray Tune's parts, called as Tune's controller calls them."""

    def __init__(self, space: CheckedSpace, *, seed: int, epochs: int) -> None:
        from ray.tune.schedulers import ASHAScheduler
        from ray.tune.search.optuna import OptunaSearch

        scheduler = space.settings.scheduler
        axes = [axis for parameter in space.parameters for axis in parameter.coordinates()]
        self._space, self._epochs, self._trials = space, epochs, dict[int, SimpleNamespace]()
        base = {name: value for name, value in flatten(space.base).items() if value is not None}
        self._searcher = OptunaSearch(
            space={axis.name.replace(".", "-"): distribution_of(axis) for axis in axes},
            metric="knn_top1",
            mode="max",
            seed=seed,
            points_to_evaluate=[
                {name.replace(".", "-"): value for name, value in space.nearest_coordinates(base).items()}
            ],
        )
        self._scheduler = ASHAScheduler(
            metric="knn_top1",
            mode="max",
            max_t=epochs,
            grace_period=scheduler.grace_epochs,
            reduction_factor=scheduler.reduction_factor,
        )
        self._reports = make_scheduler(scheduler, epochs=epochs).report_epochs
        self._at_work: set[int] = set()

    @property
    def tasks_running(self) -> int:
        return len(self._at_work)

    def next_task(self) -> TrialTask:
        number = len(self._trials)
        drawn = {name.replace("-", "."): value for name, value in self._searcher.suggest(str(number)).items()}
        self._trials[number] = SimpleNamespace(trial_id=str(number))
        self._scheduler.on_trial_add(None, self._trials[number])
        self._at_work.add(number)
        return TrialTask(
            number=number,
            config=self._space.config(self._space.values(lambda axis: drawn[axis.name])),
            directory=Path("stock"),
            report_epochs=self._reports,
            cpus=1,
            gpus=0,
        )

    def reported(self, number: int, report: EpochReport) -> Decision:
        result = {"training_iteration": report.epoch, "knn_top1": report.metrics["knn_top1"]}
        self._trials[number].last = result
        if report.epoch < self._epochs:  # Tune ends a trial that has ended itself without asking
            self._searcher.on_trial_result(str(number), result)
            answer = self._scheduler.on_trial_result(None, self._trials[number], result)
            return Decision.STOP if answer == "STOP" else Decision.CONTINUE
        return Decision.CONTINUE

    def finished(self, number: int, outcome: TrialOutcome) -> None:
        self._scheduler.on_trial_complete(None, self._trials[number], self._trials[number].last)
        self._searcher.on_trial_complete(str(number), result=self._trials[number].last)
        self._at_work.remove(number)


class BaseFirst(StudyLedger):
    """Begins with the base alone, without the released settings."""

    def enqueue(self, values: Mapping[str, Scalar], *, space: CheckedSpace, origin: Origin) -> None:
        if origin is Origin.BASE:
            super().enqueue(values, space=space, origin=origin)


class Budgeted:
    """A course that begins no trial once its epochs are spent."""

    def __init__(self, course: SearchController | Stock, epochs: int) -> None:
        self._course, self._left = course, epochs

    def next_task(self) -> TrialTask | None:
        return None if self._left <= 0 else self._course.next_task()

    def finished(self, number: int, outcome: TrialOutcome) -> None:
        self._left -= outcome.epoch
        self._course.finished(number, outcome)

    def __getattr__(self, name: str) -> object:
        return getattr(self._course, name)


def final_score(config: TrialConfig) -> float:
    weights = config.contrast.level_weights
    tau = math.log(config.contrast.temperature / 0.3)
    imbalance = (weights.instance - 2.4) ** 2 + (weights.domain - 0.9) ** 2 + 0.5 * (weights.clip - 0.2) ** 2
    queue = math.log2(config.contrast.queue_size / 1024)
    interaction = 0.03 * tau * queue
    return 0.6 + ENCODERS[config.model.encoder] - 0.06 * tau**2 - 0.02 * imbalance - 0.004 * queue**2 - interaction


def curve_of(task: TrialTask, noise: random.Random, misleading: float) -> CurveFunction:
    config = task.config
    final = final_score(config)
    # Where early ranks mislead, what is good in the end is slow at first.
    late = 5 * config.contrast.level_weights.instance / 4 + (2 if config.model.encoder == "lstm" else 0)
    slowness = 4 + misleading * late
    return lambda epoch: final * (1 - math.exp(-epoch / slowness)) + noise.gauss(0, 0.008)


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """What trials learn: the curve of a task as it is reported, and its true score at the end."""

    curve_of: Callable[[TrialTask, random.Random], CurveFunction]
    score_of: Callable[[TrialTask], float]


def simulated(misleading: float) -> World:
    return World(
        curve_of=lambda task, noise: curve_of(task, noise, misleading), score_of=lambda task: final_score(task.config)
    )


def recorded(space: CheckedSpace, home: Path, name: str) -> World:
    trials = StudyLedger.open(open_storage(sqlite_url(home / "study.db"), create=False), name=name, settle=False)
    curves = RecordedCurves(space, trials.trials())
    return World(
        curve_of=lambda task, noise: curves(task), score_of=lambda task: curves(task)(space.base.budget.epochs)
    )


def search(space: CheckedSpace, world: World, *, policy: str, seed: int, epochs: int) -> list[tuple[int, float]]:
    """(epochs spent, true score of the best by validation at full length) as the search goes."""
    sampler, scheduler = POLICIES[policy]
    names = {"sampler.name": SamplerName(sampler), "sampler.seed": seed, "scheduler.name": SchedulerName(scheduler)}
    settings = replace(space.settings, names)
    space = dataclasses.replace(space, settings=settings)
    whole = space.base.budget.epochs
    clock, noise = SimulatedClock(), random.Random(seed)
    course: Stock | SearchController
    if policy == "stock":
        course = Stock(space, seed=seed, epochs=whole)
    else:
        course = SearchController(
            ledger=BaseFirst.create(
                open_storage(MEMORY), name="policy", space=space, facts=FACTS, limit=10**6, at_s=0.0
            ),
            space=space,
            scheduler=make_scheduler(space.settings.scheduler, epochs=whole),
            directory=Path("policy"),
            observe=lambda event: None,
            clock=clock,
        )
    tasks: dict[int, TrialTask] = {}

    def remembered(task: TrialTask) -> CurveFunction:
        tasks[task.number] = task
        return world.curve_of(task, noise)

    result = simulate(Budgeted(course, epochs), curve_of=remembered, clock=clock, workers=4)
    spent, best, found, reached = 0, -1.0, [], dict[int, int]()
    for report in result.reports:
        spent += report.epoch - reached.get(report.number, 0)
        reached[report.number] = report.epoch
        if report.epoch == whole and report.value > best:
            best = report.value
            found.append((spent, world.score_of(tasks[report.number])))
    return found


def at(course: list[tuple[int, float]], epochs: int) -> float:
    return next((value for spent, value in reversed(course) if spent <= epochs), 0.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--misleading", type=float, default=0.0, help="how much early ranks mislead, 0 to 1")
    parser.add_argument("--home", type=Path, help="the home of a recorded search")
    parser.add_argument("--recorded", metavar="NAME", help="a search of random points without stopping")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    logging.getLogger("ray").setLevel(logging.ERROR)
    if arguments.recorded:
        from hico_platform.home import HomePaths
        from hico_platform.search.status import search_status

        space = search_status(HomePaths(home=arguments.home), arguments.recorded).space
        world = recorded(space, arguments.home, arguments.recorded)
    else:
        space = load_space(
            find_space("level_weights"), assignments=[f"budget.epochs={EPOCHS}", "scheduler.grace_epochs=1"]
        )
        world = simulated(arguments.misleading)
    marks = [round(arguments.epochs * part) for part in (0.25, 0.5, 0.75, 1.0)]
    courses: dict[str, list[list[tuple[int, float]]]] = {}
    for policy in POLICIES:
        courses[policy] = [
            search(space, world, policy=policy, seed=seed, epochs=arguments.epochs) for seed in range(arguments.seeds)
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
