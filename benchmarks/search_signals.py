"""Which validation score a search should go by: its rank correlation with what retraining finds on the test split.

Random configurations are trained briefly, three times each: on the training subjects without the validation
subjects, whose scores are the signals ``knn_top1``, ``knn_mean``, ``map`` and ``linear``; on all of them
(``knn_subjects``); and on all of them again with another seed, as retraining does, scored on the test split. The table
has Spearman's rank correlation, over the configurations, of each signal at the first rung and at the end with test
1-NN and test mAP, and how many points of test 1-NN the configuration that the signal likes best lies below the best
one (regret).

    OMP_NUM_THREADS=1 python benchmarks/search_signals.py --data NAME=DIR:PROTOCOL ... [--configs 20] [--steps 100]

``--data embedded`` is the embedded dataset. Results are added to ``--out``, a file of JSON lines; what it has already
is not computed again. ``--table`` only prints the tables of it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hico_platform.config.trial import TrialConfig
    from hico_platform.trial import TrainEvalSplit

SIGNALS = ("knn_top1", "knn_mean", "map", "linear", "knn_subjects")
SUBJECTS = "knn_subjects"
BATCH = 32
RUNG_SHARE = 1 / 9  # where ASHA's first rung lies in a budget of two rungs with factor 3


def configuration(number: int, *, steps: int, sequences: int) -> TrialConfig:
    """The one of that number: the same on every dataset, but for how many epochs are so many steps."""
    from hico_platform.config.schema import replace
    from hico_platform.config.trial import TrialConfig

    draw = random.Random(number)
    weights = [draw.expovariate(1.0) for _ in range(4)]
    crop = draw.choice([8, 16, 64])
    return replace(
        TrialConfig(),
        {
            "model.encoder": "gru",
            "model.hidden_width": draw.choice([16, 32, 48]),
            "model.projection_width": 32,
            "model.precision": "float32",
            "contrast.temperature": 0.05 * 10 ** draw.uniform(0, 1),
            "contrast.momentum": draw.choice([0.9, 0.99, 0.999]),
            "contrast.queue_size": draw.choice([64, 128, 256]),
            **{
                f"contrast.level_weights.{level}": 4 * weight / sum(weights)
                for level, weight in zip(("clip", "part", "domain", "instance"), weights, strict=True)
            },
            "views.frames": 32,
            "views.min_crop_frames": crop,
            "views.corrupted_joint_share": draw.choice([0.2, 0.4, 0.6, 0.8]),
            "views.stream": draw.choice(["joint", "joint", "bone", "motion"]),
            "optimiser.name": "adamw",
            "optimiser.learning_rate": 3e-4 * 30 ** draw.uniform(0, 1),
            "budget.batch_size": BATCH,
            "budget.epochs": max(3, round(steps * BATCH / sequences)),
        },
    )


def trained(config: TrialConfig, split: TrainEvalSplit, *, seed: int) -> Iterator[tuple[int, Any]]:
    """The encoder at the first rung and at the end."""
    import torch

    from hico_platform.config.schema import replace
    from hico_platform.train.session import begin_session

    config = replace(config, {"budget.seed": seed})
    device = torch.device("cpu")
    session = begin_session(config, layout=split.store.layout, coordinates=split.store.coordinates, device=device)
    data = split.eval_data(config, device=device)
    rung = max(1, round(config.budget.epochs * RUNG_SHARE))
    for result in session.train(views=data.views, sequences=torch.tensor(split.pretrain)):
        if result.epoch in (rung, config.budget.epochs):
            yield result.epoch, session.encoder


def signals_of(encoder: Any, config: TrialConfig, split: TrainEvalSplit, names: Sequence[str]) -> dict[str, Any]:
    """The scores of some signals, with their standard errors."""
    import torch

    from hico_platform.enums import Signal
    from hico_platform.evaluate.data import eval_features
    from hico_platform.evaluate.signals import reported_scores

    data = split.eval_data(config, device=torch.device("cpu"))
    features = eval_features(encoder, data=data, config=config.evaluation)
    found = {}
    for name in names:
        signal = Signal(name)
        scores = reported_scores(features, data=data, config=config.evaluation, signal=signal)
        found[name] = [scores.values[signal.metric], scores.standard_errors[signal.metric]]
    return found


def study(name: str, location: str, protocol: str, *, number: int, steps: int, home: Path) -> dict[str, Any]:
    """What becomes of one configuration on one dataset."""
    from hico_platform.data.split_guard import Purpose
    from hico_platform.trial import TrainEvalSplit
    from hico_platform.worker.datasets import dataset

    opened = dataset(None if location == "embedded" else location, protocol=protocol, home=home)
    store, split = opened.open_with_test(Purpose.EVALUATION)
    apart = TrainEvalSplit(store=store, train=split.train, eval=split.val)
    whole = TrainEvalSplit(store=store, train=split.train, eval=split.val, pretrains_on_eval=True)
    tested = TrainEvalSplit(store=store, train=split.train_and_val, eval=split.open_test(Purpose.EVALUATION))
    began_s = time.perf_counter()
    config = configuration(number, steps=steps, sequences=len(split.train_and_val))
    reports: list[dict[str, Any]] = []
    for _, encoder in trained(config, apart, seed=0):
        reports.append(signals_of(encoder, config, apart, [one for one in SIGNALS if one != SUBJECTS]))
    for at, (_, encoder) in enumerate(trained(config, whole, seed=0)):
        reports[at].update(signals_of(encoder, config, whole, [SUBJECTS]))
    for _, encoder in trained(config, whole, seed=1):
        final = signals_of(encoder, config, tested, ["knn_top1", "map"])
    return {
        "data": name,
        "number": number,
        "epochs": config.budget.epochs,
        "sequences": [len(split.train), len(split.val), len(tested.eval)],
        "reports": reports,
        "test": {score: value for score, (value, _) in final.items()},
        "seconds": time.perf_counter() - began_s,
    }


def lines(out: Path) -> list[dict[str, Any]]:
    """What the file has."""
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def print_table(found: Sequence[dict[str, Any]]) -> None:
    """The rank correlations of one dataset."""
    import numpy as np
    from scipy.stats import spearmanr

    test = {score: np.array([line["test"][score] for line in found]) for score in ("knn_top1", "map")}
    train, held_out, tested = found[0]["sequences"]
    errors = {s: np.mean([line["reports"][-1][s][1] for line in found]) for s in SIGNALS}
    print(f"\n{found[0]['data']}: {len(found)} configurations; {train} train, {held_out} validation, {tested} test")
    print("| signal | first rung: 1-NN | mAP | end: 1-NN | mAP | regret, points | standard error |")
    print("|---|---|---|---|---|---|---|")
    for signal in SIGNALS:
        cells = []
        for at in (0, -1):
            values = np.array([line["reports"][at][signal][0] for line in found])
            cells += [f"{spearmanr(values, test[score]).statistic:.2f}" for score in test]
        best = values == values.max()  # of the configurations that it cannot tell apart, the mean
        regret = 100 * (test["knn_top1"].max() - test["knn_top1"][best].mean())
        print(f"| `{signal}` | {' | '.join(cells)} | {regret:.1f} | {errors[signal]:.3f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR:PROTOCOL")
    parser.add_argument("--configs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=100, help="training steps of a configuration")
    parser.add_argument("--home", type=Path, default=Path(".signals"))
    parser.add_argument("--out", type=Path, default=Path("search_signals.jsonl"))
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    for number in range(0 if arguments.table else arguments.configs):
        for given in arguments.data:  # in turns, so that one that is cut short has as many of each
            name, _, place = given.partition("=")
            location, _, protocol = (place or f"{name}:xsub").rpartition(":")
            if any((line["data"], line["number"]) == (name, number) for line in lines(arguments.out)):
                continue
            line = study(name, location, protocol, number=number, steps=arguments.steps, home=arguments.home)
            with arguments.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{name} {number}: test {line['test']}, {line['seconds']:.0f} s", flush=True)
    found = lines(arguments.out)
    for name in dict.fromkeys(line["data"] for line in found):
        print_table([line for line in found if line["data"] == name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
