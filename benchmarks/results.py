"""docs/results.md: does pretraining help on real recordings, and does the search?

    HICO_REAL_DATA=DIR python benchmarks/results.py --runs DIR [--datasets embedded msr] [--seeds 5] [--search]
    python benchmarks/results.py --runs DIR --page docs/results.md   # page and picture alone, from what lies there

On each dataset (odd subjects train, even ones test) it scores raw poses in every normalisation, the untrained encoder,
the released settings and those that ``search_spaces/small_data.yaml`` begins with, trained for about ``--steps``
steps, and with ``--search`` the champion of a search of that space, trained for as many steps. Recordings are searched
in two normalisations, each for at most half of ``--minutes`` on ``--cpus`` cores, and the better score on training
persons chooses. Of the normalisations of raw poses the one that is best on validation persons is marked.
Nothing else is chosen, and nothing on the test part. All tasks of ``hico_platform.evaluate`` that train no encoder are
run.

Each run is one JSON file in ``--runs`` and is not repeated, so the command can be interrupted and done in pieces. What
``benchmarks/results.tar.xz`` keeps of earlier runs is put there first; ``--keep`` packs it anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.kept_results import keep, take
from benchmarks.recordings import CPU, NAMES, PROTOCOL, Recordings, encoder_of, for_steps, recordings
from benchmarks.results_page import (
    CHAMPION,
    ENTRIES,
    METHODS,
    RAW,
    RELEASED,
    SHOWN,
    START,
    UNTRAINED,
    read_runs,
    tables,
    write_page,
)
from hico_platform.atomic_io import write_whole
from hico_platform.config.package_files import find_space
from hico_platform.config.schema import replace, to_mapping
from hico_platform.config.space import load_space
from hico_platform.config.trial import TrialConfig, ViewsConfig
from hico_platform.data.normalise import Normalisation
from hico_platform.data.split_guard import Purpose
from hico_platform.evaluate.data import Evaluated, of_encoder, of_raw_pose
from hico_platform.evaluate.tasks.registry import tasks
from hico_platform.retrain.plan import released_settings
from hico_platform.trial import TrainEvalSplit

SPACE = START
ENCODED = {"embedded": Normalisation.RELEASED}
"""What the encoder sees: the embedded dataset as it ships, real recordings as ``data prepare`` normalises them."""
SEARCHED = (Normalisation.YAW, Normalisation.CENTRE)
"""What real recordings are searched in: the default, and the one for people who are seen from one side."""


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
    parser.add_argument("--keep", action="store_true", help="packs the runs for the repository, and runs nothing")
    arguments = parser.parse_args()
    take(arguments.runs)
    if arguments.keep:
        keep(arguments.runs)
        return
    if arguments.page is not None:
        write_page(arguments.page, runs=arguments.runs)
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
    print(tables(read_runs(arguments.runs)))


if __name__ == "__main__":
    main()
