"""TPE + ASHA against random search without stopping, at equal epochs, by training on the embedded dataset.

    python benchmarks/same_budget.py --home DIR --runs DIR --plot docs/same_budget.png

Every run trains one trial after another on one CPU thread until its epochs are spent; both arms begin with what
their sampler draws, without the base that a search tries first. The score at a moment is the best validation 1-NN
of trials of the whole budget until then: what a search would hand over. A run that lies in ``--runs`` is not
repeated, so the benchmark can be carried out in pieces (``--only tpe+asha:0``); about 25 minutes of an idle core.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from hico_platform.commands.search_inputs import SearchInputs, search_inputs
from hico_platform.config.package_files import find_space
from hico_platform.config.schema import Scalar, to_mapping
from hico_platform.config.space import CheckedSpace, load_space
from hico_platform.enums import Decision
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import Origin, TrialState
from hico_platform.search.ledger.optuna_ledger import MEMORY, StudyLedger, open_storage
from hico_platform.search.messages import EpochReport
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.trial import run_trial

ARMS = {"tpe+asha": ("tpe", "asha"), "random": ("random", "none")}
# A cheap encoder and a fast rate, so that a trial says something within 27 epochs.
SETTINGS = [
    "search.model.encoder=lstm",
    "model.hidden_width=32",
    "optimiser.learning_rate=0.003",
    "scheduler.grace_epochs=3",
    "evaluation.linear_epochs=1",
]


class Unaided(StudyLedger):
    """Tries what the sampler draws alone."""

    def enqueue(self, values: dict[str, Scalar], *, space: CheckedSpace, origin: Origin) -> None:
        pass


def train(arm: str, seed: int, *, epochs: int, trial_epochs: int, home: Path) -> dict[str, Any]:
    """One run: its trials and the course of its best score over epochs."""
    sampler, scheduler = ARMS[arm]
    chosen = [f"sampler.name={sampler}", f"sampler.seed={seed}", f"scheduler.name={scheduler}"]
    chosen += ["scheduler.report_every=3"] if scheduler == "none" else []
    space = load_space(
        find_space("level_weights"), assignments=[*SETTINGS, *chosen, f"budget.epochs={trial_epochs}", "trials=100000"]
    )
    inputs: SearchInputs = search_inputs(space, home=home, data=None)
    split, _ = inputs.data.splits()
    ledger = Unaided.create(
        open_storage(MEMORY), name="run", space=space, facts=inputs.facts, limit=space.settings.trials, at_s=0.0
    )
    spent, course = 0, list[tuple[int, float]]()
    with tempfile.TemporaryDirectory() as folder:
        controller = SearchController(
            ledger=ledger,
            space=space,
            scheduler=make_scheduler(space.settings.scheduler, epochs=trial_epochs),
            directory=Path(folder),
            observe=lambda event: None,
        )
        while spent < epochs and (task := controller.next_task()) is not None:
            before = spent

            def deliver(report: EpochReport, number: int = task.number, before: int = before) -> Decision:
                nonlocal spent
                spent = before + report.epoch
                value = report.metrics["knn_top1"]
                best = max([known for _, known in course], default=0.0)
                if report.epoch == trial_epochs and spent <= epochs and value > best:
                    course.append((spent, value))
                print(f"{arm} {seed}: {spent} epochs, trial {number} at {report.epoch}: {value:.4f}", flush=True)
                return controller.reported(number, report)

            outcome = run_trial(
                task.config,
                split=split,
                target=None,
                directory=task.directory,
                report_epochs=task.report_epochs,
                report=deliver,
                device=torch.device("cpu"),
            )
            controller.finished(task.number, outcome)
    trials = ledger.trials()
    return {
        "arm": arm,
        "seed": seed,
        "epochs": epochs,
        "trial_epochs": trial_epochs,
        "course": course,
        "complete": sum(trial.state is TrialState.COMPLETE for trial in trials),
        "trials": [{"values": dict(trial.values), "curve": dict(trial.curve)} for trial in trials],
        "data_digest": inputs.facts.data_digest,
        "settings": to_mapping(space.settings.scheduler) | {"base": SETTINGS},
    }


def best_at(run: dict[str, Any], epochs: int) -> float | None:
    return next((value for spent, value in reversed(run["course"]) if spent <= epochs), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="where the embedded dataset is, or is made")
    parser.add_argument("--runs", type=Path, required=True, help="results of single runs are kept here")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=162, help="epochs of a run")
    parser.add_argument("--trial-epochs", type=int, default=27, help="epochs of a whole trial")
    parser.add_argument("--only", metavar="ARM:SEED", help="this run alone")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.runs.mkdir(parents=True, exist_ok=True)
    runs = []
    for seed in range(arguments.seeds):
        for arm in ARMS:
            file = arguments.runs / f"{arm}-{seed}-{arguments.epochs}.json"
            if not file.exists() and arguments.only in {None, f"{arm}:{seed}"}:
                run = train(
                    arm, seed, epochs=arguments.epochs, trial_epochs=arguments.trial_epochs, home=arguments.home
                )
                file.write_text(json.dumps(run, indent=1))
            if file.exists():
                runs.append(json.loads(file.read_text()))
    table(runs, epochs=arguments.epochs)
    if arguments.plot:
        plot(runs, arguments.plot, epochs=arguments.epochs)
    return 0


def table(runs: list[dict[str, Any]], *, epochs: int) -> None:
    marks = [round(epochs * part) for part in (1 / 3, 2 / 3, 1)]
    print("best validation 1-NN of whole trials after so many epochs, by seed")
    print(f"{'arm':<10}{'trials':>10}{'whole':>8}" + "".join(f"{mark:>30}" for mark in marks))
    for arm in ARMS:
        own = [run for run in runs if run["arm"] == arm]
        cells = []
        for mark in marks:
            found = [best_at(run, mark) for run in own]
            known = [value for value in found if value is not None]
            mean = f"{statistics.fmean(known):.3f}" if known and len(known) == len(found) else "-"
            cells.append(f"{mean} ({' '.join('-' if v is None else f'{v:.3f}' for v in found)})")
        counts = "/".join(str(len(run["trials"])) for run in own), "/".join(str(run["complete"]) for run in own)
        print(f"{arm:<10}{counts[0]:>10}{counts[1]:>8}" + "".join(f"{cell:>30}" for cell in cells))


def plot(runs: list[dict[str, Any]], file: Path, *, epochs: int) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    colours = dict(zip(ARMS, ("tab:blue", "tab:orange"), strict=True))
    names = {"tpe+asha": "TPE + ASHA", "random": "random, no stopping"}
    for arm, colour in colours.items():
        own = [run for run in runs if run["arm"] == arm]
        for run in own:
            course = [*run["course"], (epochs, run["course"][-1][1])]
            axes.step(*zip(*course, strict=True), where="post", color=colour, alpha=0.35, linewidth=1)
        grid = range(max(run["course"][0][0] for run in own), epochs + 1)
        means = [statistics.fmean(best_at(run, mark) or 0.0 for run in own) for mark in grid]
        axes.step(
            list(grid),
            means,
            where="post",
            color=colour,
            linewidth=2.5,
            label=f"{names[arm]}, mean of {len(own)} seeds",
        )
    axes.set(
        xlabel="epochs trained in all",
        ylabel="best validation 1-NN top-1 of whole trials",
        title="Embedded dataset: level_weights, an LSTM of width 32",
        xlim=(0, epochs),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
