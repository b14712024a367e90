"""Results of a retraining: one file a run, written atomically, and their mean and deviation over seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hico_platform.atomic_io import write_whole
from hico_platform.checkpoint_store import is_in_a_store
from hico_platform.config.schema import to_mapping
from hico_platform.evaluate.headings import HEADINGS
from hico_platform.retrain.plan import Entry, RetrainPlan

RESULT, PLAN = "result.json", "plan.json"
FIGURES = "figures"
"""The folder of figures beside the runs, and the artifact of the run whose encoder they show."""
FIGURE_NUMBERS = "figures.json"
"""The numbers of the figures that the report draws itself, beside the pictures."""
METRICS = {name: heading for name, heading in HEADINGS.items() if name != "retrieval_top1"}
"""The metrics of the comparison, in order, with their headings; R@1 is 1-NN once more."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The scores of one run.

    ``checkpoint`` is the folder of a trained run's checkpoint, or its address in a store, ``precision`` what it trained
    in, ``at_s`` when it ended (Unix time), by which the tracking store knows its scores again; older versions noted
    neither.
    """

    entry: Entry
    seed: int
    epoch: int
    metrics: Mapping[str, float]
    checkpoint: str | None
    seconds: float
    precision: str | None = None
    at_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation over ``count`` seeds; one seed has no deviation."""

    mean: float
    deviation: float | None
    count: int


def write_plan(
    directory: Path, plan: RetrainPlan, facts: Mapping[str, str], *, candidates: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Writes ``plan.json`` beside the runs: the configuration and facts that their numbers depend on.

    ``candidates`` are those among which validation chose the configuration, with their scores.
    """
    best = plan.runs[0].config
    content = {
        "digest": plan.digest,
        "epochs": best.budget.epochs,
        "facts": dict(facts),
        "config": to_mapping(best),
        "runs": [run.key for run in plan.runs],
        **({"candidates": list(candidates)} if candidates else {}),
    }
    write_whole(directory / PLAN, json.dumps(content, indent=1).encode())


def write_result(directory: Path, result: RunResult) -> None:
    """Writes ``result.json`` into a run's folder, atomically.

    The checkpoint is named relative to that folder, so that the home can be moved.
    """
    content = asdict(result)
    in_a_store = is_in_a_store(result.checkpoint)
    if result.checkpoint is not None and not in_a_store and Path(result.checkpoint).is_relative_to(directory):
        content["checkpoint"] = str(Path(result.checkpoint).relative_to(directory))
    write_whole(directory / RESULT, json.dumps(content, indent=1).encode())


def read_result(directory: Path) -> RunResult | None:
    """The result in a run's folder, if the run has ended."""
    file = directory / RESULT
    if not file.is_file():
        return None
    content = json.loads(file.read_text())
    checkpoint = content["checkpoint"]
    if checkpoint is not None and not is_in_a_store(checkpoint):
        # Older versions wrote the whole path, which may be of a home that this one was moved or copied from.
        own = directory / (Path(checkpoint).name if Path(checkpoint).is_absolute() else checkpoint)
        checkpoint = str(own) if own.exists() or not Path(checkpoint).is_absolute() else checkpoint
    return RunResult(**{**content, "entry": Entry(content["entry"]), "checkpoint": checkpoint})


def summarise(results: Sequence[RunResult]) -> dict[Entry, dict[str, Spread]]:
    """Mean and deviation over the seeds of each entry, by metric."""
    summary: dict[Entry, dict[str, Spread]] = {}
    for entry in Entry:
        of_entry = [result.metrics for result in results if result.entry is entry]
        names = [name for name in METRICS if any(name in metrics for metrics in of_entry)]
        if of_entry:
            summary[entry] = {name: spread([m[name] for m in of_entry if name in m]) for name in names}
    return summary


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(mean=statistics.fmean(values), deviation=deviation, count=len(values))
