"""All quick downstream tasks on features of the released settings' size: time and memory by task.

    python benchmarks/quick_tasks.py [--gallery 40000] [--queries 16000] [--width 4096] [--tasks knn,linear]

Features are as an encoder makes them (those of knn.py): all much the same way, classes close to each other, of 60
classes and 40 persons. Tasks run one after another in one process, as ``evaluate`` runs them, so what several of them
need is paid by the first. Wanted: under 4 minutes together on 2 cores. Memory is what the process takes at its peak
beyond the features.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import cast

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.knn import CLASSES, make_features, memory
from hico_platform.augment.views import Views
from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import EvalData, EvalFeatures, Evaluated
from hico_platform.evaluate.intervals import interval
from hico_platform.evaluate.tasks.registry import OWN

PERSONS = 40
APART = 0.08  # so that probes are right in two of three cases, as on real recordings
WANTED_S = 240


def make_evaluated(arguments: argparse.Namespace) -> Evaluated:
    sizes = (arguments.gallery, arguments.queries)
    parts = [
        make_features(count, arguments.width, "alike", part, apart=APART) for part, count in enumerate(sizes, start=1)
    ]
    # As make_features draws them, before anything else of its part.
    labels = [
        torch.randint(CLASSES, (count,), generator=torch.Generator().manual_seed(part))
        for part, count in enumerate(sizes, start=1)
    ]
    total = sum(sizes)
    data = EvalData(
        views=cast(Views, None),
        labels=torch.cat(labels),
        train=torch.arange(sizes[0]),
        eval=torch.arange(sizes[0], total),
        classes=CLASSES,
        subjects=torch.arange(total) % PERSONS,
    )
    return Evaluated(data=data, features=EvalFeatures(train=parts[0], eval=parts[1]), config=EvaluationConfig(), seed=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", type=int, default=40_000)
    parser.add_argument("--queries", type=int, default=16_000)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--tasks", help="names, by commas (default: all quick ones)")
    arguments = parser.parse_args()
    evaluated = make_evaluated(arguments)
    size = f"{arguments.gallery:,} and {arguments.queries:,} x {arguments.width:,}, {CLASSES} classes"
    print(f"{size}, {torch.get_num_threads()} threads", flush=True)
    wanted = arguments.tasks.split(",") if arguments.tasks else [task.name for task in OWN if task.quick]
    total_s = total_cpu_s = most = 0.0
    # Nothing of a warm-up is kept: the features are others.
    small = dataclasses.replace(
        evaluated,
        data=dataclasses.replace(evaluated.data, train=torch.arange(200), eval=torch.arange(200)),
        features=EvalFeatures(train=evaluated.features.train[:200], eval=evaluated.features.train[:200]),
    )
    for task in OWN:
        if task.name not in wanted or task.missing(evaluated):
            continue
        task.run(small)
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = memory("VmRSS")
        started, cpu = time.perf_counter(), time.process_time()
        result = task.run(evaluated)
        task_s, task_cpu_s = time.perf_counter() - started, time.process_time() - cpu
        mib = memory("VmHWM") - before
        started = time.perf_counter()
        shown = []
        for name, score in result.scores.items():
            sure = interval(score, clusters=evaluated.data.eval_subjects)
            shown.append(f"{name} {score.value:.4f}" + (f" [{sure.low:.4f}, {sure.high:.4f}]" if sure else ""))
        intervals_s = time.perf_counter() - started
        print(f"{task.name:<12} {task_s:7.1f} s {task_cpu_s:7.1f} CPU s {mib:7,.0f} MiB; intervals {intervals_s:.2f} s")
        print("            ", "; ".join(shown), {**result.facts} or "", flush=True)
        total_s, total_cpu_s, most = total_s + task_s, total_cpu_s + task_cpu_s, max(most, mib)
    print(f"together     {total_s:7.1f} s {total_cpu_s:7.1f} CPU s {most:7,.0f} MiB at most (wanted: {WANTED_S} s)")
    return 0 if total_s < WANTED_S else 1


if __name__ == "__main__":
    sys.exit(main())
