"""docs/results.md: does pretraining help on real recordings, and does the search?

    HICO_REAL_DATA=DIR python benchmarks/results.py --runs DIR [--datasets embedded msr] [--seeds 5] [--search]
    python benchmarks/results.py --runs DIR --page docs/results.md        # the page alone, from what lies there

On each dataset (odd subjects train, even ones test) it scores raw poses in every normalisation, the untrained encoder,
the released settings and those that ``search_spaces/small_data.yaml`` begins with, trained for about ``--steps``
steps, and with ``--search`` the champion of a search of that space, trained for as many steps. Recordings are searched
in two normalisations, each for at most half of ``--minutes`` on ``--cpus`` cores, and the better score on training
persons chooses. Of the normalisations of raw poses the one that is best on validation persons is marked.
Nothing else is chosen, and nothing on the test part. All tasks of ``hico_platform.evaluate`` that train no encoder are
run.

Each run is one JSON file in ``--runs`` and is not repeated, so the command can be interrupted and done in pieces.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks.normalisation import GENERATED
from benchmarks.recordings import CPU, NAMES, PROTOCOL, Recordings, encoder_of, for_steps, recordings
from hico_platform.atomic_io import write_whole
from hico_platform.config.package_files import find_space
from hico_platform.config.schema import replace, to_mapping
from hico_platform.config.space import load_space
from hico_platform.config.trial import TrialConfig, ViewsConfig
from hico_platform.data.normalise import Normalisation
from hico_platform.data.split_guard import Purpose
from hico_platform.evaluate.data import Evaluated, of_encoder, of_raw_pose
from hico_platform.evaluate.intervals import PairedTest, interval, paired
from hico_platform.evaluate.scores import Score
from hico_platform.evaluate.tasks.registry import tasks
from hico_platform.retrain.plan import released_settings
from hico_platform.trial import TrainEvalSplit

SPACE = "small_data"
RAW, UNTRAINED, RELEASED, START, CHAMPION = "raw pose", "untrained", "released settings", SPACE, "champion"
ENTRIES = (UNTRAINED, RELEASED, START, CHAMPION)
METHODS = tuple(method for method in Normalisation if method.coordinates == 3)
ENCODED = {"embedded": Normalisation.RELEASED}
"""What the encoder sees: the embedded dataset as it ships, real recordings as ``data prepare`` normalises them."""
SEARCHED = (Normalisation.YAW, Normalisation.CENTRE)
"""What real recordings are searched in: the default, and the one for people who are seen from one side."""
SHOWN = {"knn_top1": "1-NN", "linear_regularised_top1": "probe", "retrieval_map": "mAP"}


class Runs:
    """Scores by dataset, entry and seed; those that lie in the folder are read."""

    def __init__(self, folder: Path, *, data: Path | None, steps: int) -> None:
        self.folder, self.data, self.steps = folder, data, steps

    def recordings(self, name: str, method: Normalisation) -> Recordings | None:
        return recordings(name, method, data=self.data, folder=self.folder / "stores")

    def run(self, source: Recordings, entry: str, config: TrialConfig, *, validation: bool = False) -> dict[str, Any]:
        """The scores of an entry: of the test part, or of the validation persons for ``validation``."""
        trained = entry not in (RAW, UNTRAINED)
        if trained:
            config = for_steps(config, steps=self.steps, sequences=len(source.train))
        identity = {
            "dataset": source.name,
            "data": source.store.digest,
            "normalisation": source.method,
            "entry": entry,
            "part": "validation" if validation else "test",
            "config": to_mapping(config),
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
        name = f"{source.name}-{source.method}-{entry.replace(' ', '-')}-seed-{config.budget.seed}-{digest}"
        file = self.folder / "runs" / f"{name}.json"
        if file.exists():
            return dict(json.loads(file.read_text()))
        began = time.monotonic()
        found = _scored(self._evaluated(source, entry, config, trained=trained, validation=validation))
        content = {**identity, "seconds": round(time.monotonic() - began, 1), **found}
        write_whole(file, json.dumps(content).encode())
        said = ", ".join(f"{title} {100 * found['scores'][key]['value']:.1f}" for key, title in SHOWN.items())
        print(f"{name}: {said}; {content['seconds']:.0f} s", flush=True)
        return content

    def _evaluated(
        self, source: Recordings, entry: str, config: TrialConfig, *, trained: bool, validation: bool
    ) -> Evaluated:
        split = source.split
        parts = (split.train, split.val) if validation else (split.train_and_val, split.open_test(Purpose.EVALUATION))
        data = TrainEvalSplit(store=source.store, train=parts[0], eval=parts[1]).eval_data(config, device=CPU)
        if entry == RAW:
            return of_raw_pose(data=data, config=config.evaluation)
        encoder = encoder_of(config, store=source.store, train=data.train, trained=trained)
        return of_encoder(encoder, data=data, config=config.evaluation, seed=config.budget.seed)


def _scored(evaluated: Evaluated) -> dict[str, Any]:
    scores, facts = {}, {}
    for task in tasks().values():
        if task.quick and task.missing(evaluated) is None:
            found = task.run(evaluated)
            facts[task.name] = {"protocol": found.protocol, **found.facts}
            for name, score in found.scores.items():
                parts = None if score.per_sequence is None else score.per_sequence.tolist()
                scores[name] = {"value": score.value, "per_sequence": parts}
    who = evaluated.data.eval_subjects
    return {
        "train_sequences": len(evaluated.data.train),
        "persons": None if who is None else who.tolist(),
        "facts": facts,
        "scores": scores,
    }


def champion(sources: Sequence[Recordings], runs: Runs, *, minutes: float, cpus: int) -> tuple[Recordings, TrialConfig]:
    """The better of the searches, one for each normalisation, by the score that both searches go by."""
    found = [(source, *searched(source, runs, minutes=minutes / len(sources), cpus=cpus)) for source in sources]
    source, config, _ = max(found, key=lambda one: one[2])
    return source, config


def searched(source: Recordings, runs: Runs, *, minutes: float, cpus: int) -> tuple[TrialConfig, float]:
    """The best trial of a search by the command that users have, and its score; resumed where it stopped."""
    home = runs.folder / "home"
    name = f"{source.name}-{source.method}"
    file = runs.folder / "searches" / f"{name}.json"
    space = load_space(find_space(SPACE), assignments=[f"protocol={PROTOCOL}"])
    if not file.exists():
        words = ["search", "--space", SPACE, "--name", name, "--data", str(source.store.directory.absolute())]
        words += ["--protocol", PROTOCOL, "--set", f"stop.hours={minutes / 60}", "--cpus", str(cpus)]
        words += ["--home", str(home.absolute()), "--json"]
        began = (home / "searches" / name).exists()
        done = subprocess.run(
            [sys.executable, "-m", "hico_platform", *words, *(["--resume"] if began else [])],
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        write_whole(file, done.stdout)
    said = json.loads(file.read_text())
    return space.config(said["best"]["values"]), float(said["best"]["value"])


def measure(
    name: str,
    runs: Runs,
    *,
    seeds: int,
    entries: Sequence[str],
    search: Callable[[Sequence[Recordings]], tuple[Recordings, TrialConfig]] | None,
) -> None:
    """All runs of a dataset that are not there yet, of some of the entries beside raw poses."""
    start = load_space(find_space(SPACE)).base
    seen = ViewsConfig(stream=start.views.stream, frames=start.views.frames)
    plain = TrialConfig(model=start.model, views=seen, evaluation=start.evaluation)  # what nothing is trained with
    for method in METHODS:
        source = runs.recordings(name, method)
        if source is None:
            print(f"{name}: left out, HICO_REAL_DATA does not hold it")
            return
        for validation in (True, False):
            runs.run(source, RAW, plain, validation=validation)
    methods = (ENCODED[name],) if name in ENCODED else SEARCHED
    sources = [source for method in methods if (source := runs.recordings(name, method)) is not None]
    wanted = [(UNTRAINED, source, plain) for source in sources]
    wanted += [(RELEASED, sources[0], released_settings(start)), (START, sources[0], start)]
    if search is not None:
        wanted.append((CHAMPION, *search(sources)))
    for seed in range(seeds):
        for entry, source, config in wanted:
            if entry in entries:
                runs.run(source, entry, replace(config, {"budget.seed": seed}))


def page(folder: Path) -> str:
    """The tables of all datasets of which there are runs."""
    found = [json.loads(file.read_text()) for file in sorted((folder / "runs").glob("*.json"))]
    lines = []
    for name in NAMES:
        own = [run for run in found if run["dataset"] == name]
        if any(run["entry"] == START for run in own):  # else there is nothing to compare yet
            lines += [f"## {name}", "", *table(own), ""]
    return "\n".join([*lines, *together([run for run in found if run["dataset"] != GENERATED])])


def together(runs: list[dict[str, Any]]) -> list[str]:
    """The differences over the test persons of all real datasets at once; each sequence weighs the same."""
    pairs: dict[tuple[str, str], list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]] = {}
    names = sorted({run["dataset"] for run in runs if run["entry"] == START})
    for name in names:
        own = [run for run in runs if run["dataset"] == name]
        tested = [run for run in own if run["part"] == "test"]
        for entry, other, mine, theirs in comparisons(tested, best=best_raw(own)):
            pairs.setdefault((entry, other.split(",")[0]), []).append((mine, theirs))
    whole = {key: both for key, both in pairs.items() if len(both) == len(names)}
    if len(names) < 2 or not whole:
        return []
    persons = sum(len(set(both[0][0]["persons"])) for both in next(iter(whole.values())))
    lines = ["## all recordings together", "", f"{persons} persons of {len(names)} datasets test.", ""]
    lines += [f"| points above | {' | '.join(SHOWN.values())} |", "|---" * (len(SHOWN) + 1) + "|"]
    for (entry, other), both in whole.items():
        cells = []
        for key in SHOWN:
            one, two = (joined([pair[side] for pair in both], key) for side in (0, 1))
            who = [f"{run[0]['dataset']} {person}" for run, _ in both for person in run[0]["persons"]]
            cells.append(shown(paired(one, two, clusters=torch.tensor(np.unique(who, return_inverse=True)[1]))))
        lines.append(f"| {entry} above {other} | {' | '.join(cells)} |")
    return [*lines, ""]


def joined(runs: Sequence[list[dict[str, Any]]], key: str) -> list[Score]:
    """One score a seed over the sequences of several datasets; a baseline of one seed stands for each of them."""
    seeds = min((len(own) for own in runs if len(own) > 1), default=1)
    scores = []
    for seed in range(seeds):
        parts = torch.cat([scores_of(own, key)[min(seed, len(own) - 1)].per_sequence for own in runs])
        scores.append(Score(value=float(parts.mean()), per_sequence=parts))
    return scores


def best_raw(runs: list[dict[str, Any]]) -> str:
    """The normalisation of raw poses that is best on validation persons."""
    raw = {run["normalisation"]: run for run in runs if run["entry"] == RAW and run["part"] == "validation"}
    return max(raw, key=lambda method: mean(raw[method]["scores"][key]["value"] for key in SHOWN))


def comparisons(
    tested: list[dict[str, Any]], *, best: str
) -> Iterator[tuple[str, str, list[dict[str, Any]], list[dict[str, Any]]]]:
    """What is compared: an entry with each baseline, untrained encoders in its own normalisation."""
    for entry in (START, CHAMPION):
        own = [run for run in tested if run["entry"] == entry]
        seen = {run["normalisation"] for run in own}
        others = {
            f"{RAW}, {best}": [run for run in tested if run["entry"] == RAW and run["normalisation"] == best],
            UNTRAINED: [run for run in tested if run["entry"] == UNTRAINED and run["normalisation"] in seen],
            RELEASED: [run for run in tested if run["entry"] == RELEASED],
        }
        for other, compared in others.items():
            if own and compared:
                yield entry, other, own, compared


def table(runs: list[dict[str, Any]]) -> list[str]:
    """One dataset's rows; a dash where an interval cannot be had."""
    best = best_raw(runs)
    tested = [run for run in runs if run["part"] == "test"]
    sequences, persons = len(tested[0]["persons"]), len(set(tested[0]["persons"]))
    lines = [
        f"{tested[0]['train_sequences']} sequences train, {sequences} of {persons} persons test.",
        "",
        f"| | normalisation | seeds | {' | '.join(SHOWN.values())} | seconds a run |",
        "|---" * (len(SHOWN) + 4) + "|",
    ]
    for entry in (RAW, *ENTRIES):
        for method in METHODS:
            own = [run for run in tested if run["entry"] == entry and run["normalisation"] == method]
            if not own:
                continue
            mark = ", best in validation" if entry == RAW and method == best else ""
            cells = [cell(own, key) for key in SHOWN]
            seconds = f"{mean(run['seconds'] for run in own):.0f}"
            lines.append(f"| {entry}{mark} | {method} | {len(own)} | {' | '.join(cells)} | {seconds} |")
    lines += ["", f"| points above | {' | '.join(SHOWN.values())} |", "|---" * (len(SHOWN) + 1) + "|"]
    for entry, other, own, compared in comparisons(tested, best=best):
        cells = [shown(difference(own, compared, key)) for key in SHOWN]
        lines.append(f"| {entry} above {other} | {' | '.join(cells)} |")
    return lines


def difference(one: list[dict[str, Any]], other: list[dict[str, Any]], key: str) -> PairedTest:
    """The difference of the means over seeds, by a paired test over persons."""
    return paired(scores_of(one, key), scores_of(other, key), clusters=persons_of(one))


def shown(found: PairedTest) -> str:
    """Points with their interval; in bold where they are beyond noise."""
    low, high = 100 * found.interval.low, 100 * found.interval.high
    text = f"{100 * found.difference:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"**{text}**" if found.better else text


def scores_of(runs: list[Mapping[str, Any]], key: str) -> list[Score]:
    return [
        Score(value=run["scores"][key]["value"], per_sequence=torch.tensor(run["scores"][key]["per_sequence"]).double())
        for run in runs
    ]


def persons_of(runs: list[Mapping[str, Any]]) -> torch.Tensor:
    return torch.tensor(np.unique(runs[0]["persons"], return_inverse=True)[1])


def cell(runs: list[Mapping[str, Any]], key: str) -> str:
    """The mean over seeds, their deviation, and a 95 % interval over persons and seeds."""
    scores = scores_of(runs, key)
    values = [100 * score.value for score in scores]
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    found = interval(scores, clusters=persons_of(runs))
    between = "" if found is None else f" ({100 * found.low:.1f} to {100 * found.high:.1f})"
    return f"{mean(values):.1f}{spread}{between}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data", type=Path, default=os.environ.get("HICO_REAL_DATA"))
    parser.add_argument("--datasets", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--entries", nargs="+", choices=ENTRIES, default=ENTRIES, help="beside raw poses")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1620)
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--page", type=Path, metavar="FILE", help="replaces the tables of this page, and runs nothing")
    arguments = parser.parse_args()
    if arguments.page is not None:
        begin, end = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"
        before, rest = arguments.page.read_text().split(begin)
        after = rest.split(end)[1]
        write_whole(arguments.page, f"{before}{begin}\n{page(arguments.runs)}\n{end}{after}".encode())
        return
    data = None if arguments.data is None else Path(arguments.data)
    runs = Runs(arguments.runs, data=data, steps=arguments.steps)

    def search(sources: Sequence[Recordings]) -> tuple[Recordings, TrialConfig]:
        return champion(sources, runs, minutes=arguments.minutes, cpus=arguments.cpus)

    for name in arguments.datasets:
        measure(
            name,
            runs,
            seeds=arguments.seeds,
            entries=arguments.entries,
            search=search if arguments.search and CHAMPION in arguments.entries else None,
        )
    print(page(arguments.runs))


if __name__ == "__main__":
    main()
