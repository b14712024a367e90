"""The scores of further tasks over the seeds of each entry: means with intervals, for tables and curves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hico_platform.atomic_io import write_whole
from hico_platform.retrain.comparison import clusters_of
from hico_platform.retrain.further_tasks import TaskScores, kept_tasks
from hico_platform.retrain.plan import Entry, PlannedRun
from hico_platform.retrain.results import Spread, spread

if TYPE_CHECKING:  # torch, which pages that read results do without
    from hico_platform.evaluate.intervals import Interval

FURTHER = "further.json"
"""The scores of further tasks beside the runs."""


@dataclass(frozen=True, kw_only=True)
class FurtherScore:
    """A score over the seeds that have it, and its interval over persons and seeds, if there is one."""

    spread: Spread
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class FurtherScores:
    """Scores by entry and name; ``protocols`` says by task how they came about.

    ``lacking`` says of tasks without scores why, by ``TASK, entry``: what they ask for, or why they failed.
    """

    scores: Mapping[Entry, Mapping[str, FurtherScore]] = field(default_factory=dict)
    protocols: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.scores)


NOTHING_FURTHER = FurtherScores()


def further_scores(folder: Path, runs: Sequence[PlannedRun]) -> FurtherScores:
    """What the runs' folders below ``folder`` keep of further tasks."""
    by_entry: dict[Entry, list[TaskScores]] = {}
    protocols: dict[str, str] = {}
    skipped: dict[str, str] = {}
    failed: dict[str, str] = {}
    for run in runs:
        for one in kept_tasks(folder / run.key):
            if one.skipped is not None:
                skipped.setdefault(f"{one.task}, {run.entry.heading}", one.skipped)
            elif one.failed is not None:
                failed[f"{one.task}, {run.heading}"] = one.failed
            else:
                by_entry.setdefault(run.entry, []).append(one)
                protocols.setdefault(one.task, one.protocol)
    return FurtherScores(
        scores={entry: _over_seeds(by_entry[entry]) for entry in Entry if entry in by_entry},
        protocols=protocols,
        skipped=skipped,
        failed=failed,
    )


def _over_seeds(kept: Sequence[TaskScores]) -> dict[str, FurtherScore]:
    names = dict.fromkeys(name for one in kept for name in one.values)
    return {name: _score(name, [one for one in kept if name in one.values]) for name in names}


def _score(name: str, seeds: Sequence[TaskScores]) -> FurtherScore:
    from hico_platform.evaluate.intervals import interval, over_seeds

    values = [one.values[name] for one in seeds]
    first = seeds[0]
    if first.persons is None or any(name not in one.parts for one in seeds):
        found = over_seeds(values)
    else:
        scores = [_as_score(one, name) for one in seeds]
        found = interval(scores, clusters=clusters_of(first.persons), kind=first.clusters)
    return FurtherScore(spread=spread(values), interval=found)


def _as_score(one: TaskScores, name: str) -> Any:
    import torch

    from hico_platform.evaluate.scores import Score

    return Score.mean_of(torch.from_numpy(one.parts[name]))


def write_further_scores(directory: Path, further: FurtherScores) -> None:
    """Writes ``further.json`` beside the runs, atomically; the report reads it."""
    write_whole(directory / FURTHER, json.dumps(as_plain(further), indent=1).encode())


def as_plain(further: FurtherScores) -> dict[str, Any]:
    """The scores as plain values, for files and JSON."""
    return {
        "scores": {
            str(entry): {
                name: {
                    "mean": one.spread.mean,
                    "std": one.spread.deviation,
                    "seeds": one.spread.count,
                    **(
                        {}
                        if one.interval is None
                        else {"low": one.interval.low, "high": one.interval.high, "interval": one.interval.method}
                    ),
                }
                for name, one in scores.items()
            }
            for entry, scores in further.scores.items()
        },
        "protocols": dict(further.protocols),
        "skipped": dict(further.skipped),
        "failed": dict(further.failed),
    }


def read_further_scores(directory: Path) -> dict[str, Any]:
    """What ``further.json`` holds; nothing where an older version made no such file, or it is damaged."""
    try:
        found = json.loads((directory / FURTHER).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
