"""What evaluating a trial costs, as a share of its training: on the embedded dataset, by the shipped main space.

Claim: the reports and the downstream evaluation of all trials of a search, stopped or not, take less than 10 % of the
time that they train. The share of a single trial is printed by where it ends: it is largest at the first rung.

    OMP_NUM_THREADS=1 python benchmarks/evaluation_share.py [--space level_weights] [--home .demo] [--trials 3]

Trains the first configurations of the space up to the first rung (where most are stopped) and times each part in turns:
epochs, the report (features of training and validation sequences, kNN), and the end (probe, retrieval, transfer).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hico_platform.config.trial import TrialConfig
    from hico_platform.worker.run_task import TrialData

MOST = 0.10


def seconds_of(config: TrialConfig, data: TrialData, *, epochs: int) -> dict[str, float]:
    """Seconds of an epoch, and of the parts of evaluation after so many."""
    import torch

    from hico_platform.evaluate.data import eval_features
    from hico_platform.evaluate.downstream import downstream
    from hico_platform.evaluate.signals import reported_scores
    from hico_platform.train.session import begin_session

    device = torch.device("cpu")
    split, target = data.splits()
    session = begin_session(config, layout=split.store.layout, coordinates=split.store.coordinates, device=device)
    source = split.eval_data(config, device=device)
    speeds = [
        result.sequences_per_s
        for result in session.train(views=source.views, sequences=torch.tensor(split.pretrain), epochs=epochs)
    ]
    marks = [time.perf_counter()]
    features = eval_features(session.encoder, data=source, config=config.evaluation)
    marks.append(time.perf_counter())
    reported_scores(features, data=source, config=config.evaluation, signal=data.signal)
    marks.append(time.perf_counter())
    for other in (None, None if target is None else target.eval_data(config, device=device)):
        downstream(session.encoder, source=source, target=other, config=config.evaluation, seed=0, features=features)
        marks.append(time.perf_counter())
    parts = dict(zip(("features", "scores", "end", "transfer"), map(float.__rsub__, marks, marks[1:]), strict=True))
    parts["transfer"] = max(0.0, parts["transfer"] - parts["end"])
    return {"epoch": statistics.fmean(len(split.pretrain) / speed for speed in speeds), **parts}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="level_weights")
    parser.add_argument("--data", help="a prepared folder; the embedded dataset by default")
    parser.add_argument("--home", type=Path, default=Path(".demo"))
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    arguments = parser.parse_args()

    import torch

    from hico_platform.commands.search_inputs import search_inputs
    from hico_platform.config.package_files import find_space
    from hico_platform.config.space import load_space
    from hico_platform.search.scheduler.make import make_scheduler
    from hico_platform.search.search_plan import plan_search, this_machine

    torch.set_num_threads(1)
    space = load_space(find_space(arguments.space), assignments=arguments.assignments)
    data = search_inputs(space, home=arguments.home, data=arguments.data).data
    plan = plan_search(space, machine=this_machine())
    epochs = make_scheduler(space.settings.scheduler, epochs=space.base.budget.epochs).report_epochs
    found = [seconds_of(space.config(values), data, epochs=epochs[0]) for values in plan.first[: arguments.trials]]
    mean = {part: statistics.fmean(seconds[part] for seconds in found) for part in found[0]}
    print(", ".join(f"{part} {seconds:.2f} s" for part, seconds in mean.items()))
    report_s, end_s = mean["features"] + mean["scores"], mean["end"] + mean["transfer"]
    shares = [(number * report_s + end_s) / (epoch * mean["epoch"]) for number, epoch in enumerate(epochs, start=1)]
    for epoch, share in zip(epochs, shares, strict=True):
        print(f"a trial that ends at epoch {epoch:>3}: {share:.1%} of its training time")
    whole = (sum(plan.rungs.values()) * report_s + plan.limit * end_s) / (plan.epochs * mean["epoch"])
    print(f"the whole search: {whole:.1%} (bar: {MOST:.0%})")
    return 0 if whole < MOST else 1


if __name__ == "__main__":
    sys.exit(main())
