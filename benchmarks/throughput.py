"""Overhead of a search, with an empty trainable: this package against a plain script of the stock parts.

    python benchmarks/throughput.py --trials 1000 --plain 100

Each trial reports 5 times and trains nothing. Both use 2 CPUs, Optuna's TPE, ASHA, MLflow on SQLite, Ray Tune.
Prints seconds a trial (start of Ray aside), and the slope of the driver's memory over the second half.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

EPOCHS = 5


class Gauge:
    """Notes time and resident memory of this process as trials end."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, int]] = []

    def mark(self) -> None:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        self.marks.append((time.monotonic(), pages * resource.getpagesize() // 1024))

    def summary(self) -> dict[str, float]:
        half = self.marks[len(self.marks) // 2 :]
        seconds = self.marks[-1][0] - self.marks[0][0]
        return {
            "trials": len(self.marks),
            "seconds_a_trial": round(seconds / (len(self.marks) - 1), 4),
            "kib_a_trial": round((half[-1][1] - half[0][1]) / (len(half) - 1), 1),
            "driver_mib": half[-1][1] // 1024,
        }


def empty_trial(task, report):
    from hico_platform.enums import Decision
    from hico_platform.search.messages import EpochReport, TrialOutcome

    for epoch in range(1, EPOCHS + 1):
        value = epoch / (1 + task.number)
        message = EpochReport(
            epoch=epoch,
            metrics={"knn_top1": value},
            history=((epoch, {"loss": 1.0}),),
            checkpoint=task.directory,
        )
        if report(message) is Decision.STOP:
            break
    return TrialOutcome(epoch=epoch, stopped_early=False, metrics={"knn_top1": value}, checkpoint=task.directory)


def ours(trials: int, home: Path) -> dict[str, float]:
    from hico_platform.commands.search import run_search
    from hico_platform.home import HomePaths
    from hico_platform.search.events import TrialEnded
    from hico_platform.search.execution import ClusterOptions
    from hico_platform.search.start import SearchRequest
    from hico_platform.tracking.mlflow_tracker import MlflowTracker
    from tests.toy import FACTS, toy_space

    paths, gauge = HomePaths(home=home), Gauge()
    space = toy_space(
        trials=trials, epochs=EPOCHS, scheduler={"name": "asha", "grace_epochs": EPOCHS, "report_every": 1}
    )
    run_search(
        SearchRequest(name="toy", space=space, facts=FACTS),
        paths=paths,
        function=empty_trial,
        tracker=MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts),
        cluster=ClusterOptions(cpus=2),
        observers=[lambda event: gauge.mark() if isinstance(event, TrialEnded) else None],
    )
    return gauge.summary()


def plain_trainable(config):
    from ray import tune

    for epoch in range(1, EPOCHS + 1):
        tune.report({"knn_top1": config["temperature"] * epoch, "loss": 1.0, "epoch": epoch})


def plain(trials: int, home: Path) -> dict[str, float]:
    import ray
    from optuna.storages import RDBStorage
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    gauge = Gauge()

    class Marks(tune.Callback):
        def on_trial_complete(self, iteration, trials, trial, **info):
            gauge.mark()

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    tune.Tuner(
        tune.with_resources(plain_trainable, {"cpu": 1}),
        param_space={"temperature": tune.loguniform(0.05, 0.5), "encoder": tune.choice(["gru", "lstm"])},
        tune_config=tune.TuneConfig(
            metric="knn_top1",
            mode="max",
            num_samples=trials,
            search_alg=OptunaSearch(storage=RDBStorage(f"sqlite:///{home}/optuna.db")),
            scheduler=ASHAScheduler(time_attr="epoch", grace_period=EPOCHS, max_t=EPOCHS + 1),
            max_concurrent_trials=2,
        ),
        run_config=tune.RunConfig(
            storage_path=str(home),
            verbose=0,
            callbacks=[
                MLflowLoggerCallback(tracking_uri=f"sqlite:///{home}/mlflow.db", experiment_name="plain"),
                Marks(),
            ],
        ),
    ).fit()
    ray.shutdown()
    return gauge.summary()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--plain", type=int, default=100, help="trials of the plain script; 0 leaves it out")
    parser.add_argument("--only", choices=["ours", "plain"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    counts = {"ours": arguments.trials, "plain": arguments.plain}
    if arguments.only:
        with tempfile.TemporaryDirectory(prefix="hico-throughput-") as folder:
            function = {"ours": ours, "plain": plain}[arguments.only]
            print(json.dumps(function(counts[arguments.only], Path(folder))))
        return 0
    results = {}
    for name, count in counts.items():
        if not count:
            continue
        options = ["--trials", str(arguments.trials), "--plain", str(arguments.plain), "--only", name]
        done = subprocess.run(
            [sys.executable, __file__, *options],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "RAY_AUTH_MODE": "disabled"} if name == "plain" else None,
        )
        results[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, results[name], flush=True)
    if "plain" in results:
        ratio = results["ours"]["seconds_a_trial"] / results["plain"]["seconds_a_trial"]
        print(f"time a trial, ours / plain: {ratio:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
