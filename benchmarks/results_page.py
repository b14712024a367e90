"""The page of what ``benchmarks/results.py`` ran: tables of every dataset, and a picture of the differences.

It reads the JSON files in ``--runs`` alone, so it can be written at any time, also of a part of the runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.normalisation import GENERATED, REAL
from hico_platform.atomic_io import write_whole
from hico_platform.data.normalise import Normalisation
from hico_platform.evaluate.intervals import PairedTest, interval, paired
from hico_platform.evaluate.scores import Score

Run = Mapping[str, Any]
"""What one JSON file of ``results.py`` holds."""

RAW, UNTRAINED, RELEASED, START, CHAMPION = "raw pose", "untrained", "released settings", "small_data", "champion"
ENTRIES = (UNTRAINED, RELEASED, START, CHAMPION)
METHODS = tuple(method for method in Normalisation if method.coordinates == 3)
SHOWN = {"knn_top1": "1-NN", "linear_regularised_top1": "probe", "retrieval_map": "mAP"}
OTHERS = {
    "knn_top1_k5": "5-NN",
    "knn_top1_k9": "9-NN",
    "knn_top1_k20": "20-NN",
    "knn_mean": "mean over k",
    "linear_released_top1": "probe as released",
    "retrieval_recall_at_5": "R@5",
    "retrieval_recall_at_10": "R@10",
    "calibration_ece": "ECE",
    "calibration_brier": "Brier",
}
"""All other scores of the quick tasks; R@1 is the 1-NN."""
BEGIN, END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"


def write_page(file: Path, *, runs: Path) -> None:
    """Replaces the tables of a page by those of the runs in a folder, and draws ``pictures/results.png`` beside it."""
    found = read_runs(runs)
    before, rest = file.read_text().split(BEGIN)
    after = rest.split(END)[1]
    write_whole(file, f"{before}{BEGIN}\n{tables(found)}\n{END}{after}".encode())
    picture(found).savefig(file.parent / "pictures" / "results.png", dpi=110)


def read_runs(folder: Path) -> list[Run]:
    """All runs in a folder."""
    return [json.loads(file.read_text()) for file in sorted((folder / "runs").glob("*.json"))]


def tables(runs: Sequence[Run]) -> str:
    """The tables of all datasets of which there are runs."""
    lines = []
    for name, own in by_dataset(runs).items():
        lines += [f"## {name}", "", *table(own), "", *others(own), ""]
    return "\n".join([*lines, *together(runs)])


def by_dataset(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each dataset of which something was trained, in the order of the page."""
    found = {name: [run for run in runs if run["dataset"] == name] for name in (GENERATED, *REAL)}
    return {name: own for name, own in found.items() if any(run["entry"] == START for run in own)}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far an entry is above a baseline: the paired test of each score in ``SHOWN``."""

    entry: str
    baseline: str
    tests: Mapping[str, PairedTest]

    @property
    def row(self) -> str:
        """Points above with their interval; in bold where they are beyond noise."""
        cells = []
        for key in SHOWN:
            found = self.tests[key]
            text = (
                f"{100 * found.difference:+.1f} ({100 * found.interval.low:+.1f} to {100 * found.interval.high:+.1f})"
            )
            cells.append(f"**{text}**" if found.better else text)
        return f"| {self.entry} above {self.baseline} | {' | '.join(cells)} |"


def differences(runs: Sequence[Run]) -> list[Difference]:
    """The differences between the means over seeds on one dataset, by paired tests over persons."""
    return [
        Difference(
            entry=entry,
            baseline=baseline,
            tests={key: paired(_scores(own, key), _scores(compared, key), clusters=_clusters(own)) for key in SHOWN},
        )
        for entry, baseline, own, compared in _comparisons(runs)
    ]


def joint_differences(runs: Sequence[Run]) -> list[Difference]:
    """The same over the test persons of all recordings at once, where each sequence weighs the same.

    Of a comparison that a dataset lacks there is none, nor where there are recordings of one dataset alone.
    """
    datasets = _recordings(runs)
    pairs: dict[tuple[str, str], list[tuple[list[Run], list[Run]]]] = {}
    for own in datasets.values():
        for entry, baseline, mine, theirs in _comparisons(own):
            pairs.setdefault((entry, baseline.split(",")[0]), []).append((mine, theirs))
    found = []
    for (entry, baseline), both in pairs.items():
        if len(both) == len(datasets) > 1:
            who = [f"{mine[0]['dataset']} {person}" for mine, _ in both for person in mine[0]["persons"]]
            clusters = torch.tensor(np.unique(who, return_inverse=True)[1])
            sides = {key: [_joined([pair[side] for pair in both], key) for side in (0, 1)] for key in SHOWN}
            tests = {key: paired(one, two, clusters=clusters) for key, (one, two) in sides.items()}
            found.append(Difference(entry=entry, baseline=baseline, tests=tests))
    return found


def table(runs: Sequence[Run]) -> list[str]:
    """One dataset's rows and its differences; no interval where none can be had."""
    tested = _tested(runs)
    persons = tested[0]["persons"]
    lines = [
        f"{tested[0]['train_sequences']} sequences train, {len(persons)} of {len(set(persons))} persons test.",
        "",
        f"| | normalisation | seeds | {' | '.join(SHOWN.values())} | seconds a run |",
        "|---" * (len(SHOWN) + 4) + "|",
    ]
    for title, method, own in _rows(runs):
        cells = [_cell(own, key) for key in SHOWN]
        seconds = f"{mean(run['seconds'] for run in own):.0f}"
        lines.append(f"| {title} | {method} | {len(own)} | {' | '.join(cells)} | {seconds} |")
    return [*lines, "", *_difference_table(differences(runs))]


def others(runs: Sequence[Run]) -> list[str]:
    """The scores of the quick tasks that ``table`` leaves out, means over seeds and their deviations."""
    lines = [f"| | normalisation | {' | '.join(OTHERS.values())} |", "|---" * (len(OTHERS) + 2) + "|"]
    for title, method, own in _rows(runs):
        values = [[run["scores"][key]["value"] for run in own] for key in OTHERS]
        cells = [_brief(found, key) for found, key in zip(values, OTHERS, strict=True)]
        lines.append(f"| {title} | {method} | {' | '.join(cells)} |")
    return lines


def together(runs: Sequence[Run]) -> list[str]:
    """The differences over the recordings of all datasets."""
    found = joint_differences(runs)
    if not found:
        return []
    datasets = _recordings(runs)
    persons = sum(len(set(_tested(own)[0]["persons"])) for own in datasets.values())
    said = f"{persons} persons of {len(datasets)} datasets test."
    return ["## all recordings together", "", said, "", *_difference_table(found), ""]


def picture(runs: Sequence[Run]) -> Figure:
    """How far the champion is above each baseline, by dataset; filled where that is beyond noise."""
    groups = {name: differences(own) for name, own in by_dataset(runs).items()}
    groups["all recordings"] = joint_differences(runs)
    groups = {name: own for name, found in groups.items() if (own := [one for one in found if one.entry == CHAMPION])}
    figure = Figure(figsize=(9, 0.9 + 0.55 * len(groups)))
    axes = figure.subplots(1, len(SHOWN), sharey=True)
    colours = {RAW: "tab:blue", UNTRAINED: "tab:orange", RELEASED: "tab:green", START: "tab:red"}
    for axis, (key, title) in zip(axes, SHOWN.items(), strict=True):
        for place, found in enumerate(groups.values()):
            for one in found:
                baseline = one.baseline.split(",")[0]
                test, height = one.tests[key], place + 0.19 * (list(colours).index(baseline) - 1.5)
                low, high = 100 * test.interval.low, 100 * test.interval.high
                colour = colours[baseline]
                axis.plot([low, high], [height, height], color=colour, linewidth=1.2)
                axis.plot(100 * test.difference, height, "o", color=colour, markersize=5,
                          markerfacecolor=colour if test.better else "white")  # fmt: skip
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("points above", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(groups)), list(groups))
    axes[0].invert_yaxis()
    for baseline, colour in colours.items():
        axes[0].plot([], [], "o-", color=colour, label=f"above {baseline}")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    figure.legend(handles, labels, loc="upper center", ncols=len(colours), frameon=False, fontsize=9)
    return figure


def best_raw(runs: Sequence[Run]) -> str:
    """The normalisation of raw poses that is best on validation persons."""
    raw = {run["normalisation"]: run for run in runs if run["entry"] == RAW and run["part"] == "validation"}
    return max(raw, key=lambda method: mean(raw[method]["scores"][key]["value"] for key in SHOWN))


def _rows(runs: Sequence[Run]) -> Iterator[tuple[str, str, list[Run]]]:
    """What the tables have a row of: title, normalisation, and the runs of all seeds."""
    best = best_raw(runs)
    for entry in (RAW, *ENTRIES):
        for method in METHODS:
            own = [run for run in _tested(runs) if run["entry"] == entry and run["normalisation"] == method]
            if own:
                yield f"{entry}{', best in validation' if entry == RAW and method == best else ''}", method, own


def _comparisons(runs: Sequence[Run]) -> Iterator[tuple[str, str, list[Run], list[Run]]]:
    """What is compared: an entry with each baseline, untrained encoders in its own normalisation."""
    best, tested = best_raw(runs), _tested(runs)
    for entry in (START, CHAMPION):
        own = [run for run in tested if run["entry"] == entry]
        seen = {run["normalisation"] for run in own}
        baselines = {
            f"{RAW}, {best}": [run for run in tested if run["entry"] == RAW and run["normalisation"] == best],
            UNTRAINED: [run for run in tested if run["entry"] == UNTRAINED and run["normalisation"] in seen],
            RELEASED: [run for run in tested if run["entry"] == RELEASED],
            START: [run for run in tested if run["entry"] == START] if entry == CHAMPION else [],
        }
        for baseline, compared in baselines.items():
            if own and compared:
                yield entry, baseline, own, compared


def _recordings(runs: Sequence[Run]) -> dict[str, list[Run]]:
    return {name: own for name, own in by_dataset(runs).items() if name != GENERATED}


def _tested(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run["part"] == "test"]


def _joined(runs: Sequence[list[Run]], key: str) -> list[Score]:
    """One score a seed over the sequences of several datasets; a baseline of one seed stands for each of them."""
    seeds = min((len(own) for own in runs if len(own) > 1), default=1)
    scores = []
    for seed in range(seeds):
        parts = torch.cat([_scores(own, key)[min(seed, len(own) - 1)].per_sequence for own in runs])
        scores.append(Score(value=float(parts.mean()), per_sequence=parts))
    return scores


def _scores(runs: Sequence[Run], key: str) -> list[Score]:
    return [
        Score(value=run["scores"][key]["value"], per_sequence=torch.tensor(run["scores"][key]["per_sequence"]).double())
        for run in runs
    ]


def _clusters(runs: Sequence[Run]) -> torch.Tensor:
    """The person of each test sequence, as a number."""
    return torch.tensor(np.unique(runs[0]["persons"], return_inverse=True)[1])


def _difference_table(found: Sequence[Difference]) -> list[str]:
    return [
        f"| points above | {' | '.join(SHOWN.values())} |",
        "|---" * (len(SHOWN) + 1) + "|",
        *(one.row for one in found),
    ]


def _cell(runs: Sequence[Run], key: str) -> str:
    """The mean over seeds, their deviation, and a 95 % interval over persons and seeds."""
    scores = _scores(runs, key)
    found = interval(scores, clusters=_clusters(runs))
    between = "" if found is None else f" ({100 * found.low:.1f} to {100 * found.high:.1f})"
    return f"{_brief([score.value for score in scores], key)}{between}"


def _brief(values: Sequence[float], key: str) -> str:
    """The mean and the deviation over seeds, in percent; Brier scores as they are."""
    scale, digits = (1, 2) if key == "calibration_brier" else (100, 1)
    spread = f" ± {scale * stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{scale * mean(values):.{digits}f}{spread}"
