"""Contents of reports as searches of any size would give them, without a search."""

from __future__ import annotations

import math
import random

from hico_platform.report.content import Importance, ReportContent, ReportedTrial

RUNGS, EPOCHS = (1, 3, 9), 27
LEVELS = ("clip", "part", "domain", "instance")


def many_trials(count: int, *, name: str = "many", seed: int = 0) -> ReportContent:
    """A finished search of level weights, temperature, queue size and encoder with ``count`` trials, every 50th failed.

    Of each rung the better third goes on, more or less. Scores rise with epochs and depend on temperature and clip.
    """
    draw = random.Random(seed)
    trials = [_trial(number, draw) for number in range(count)]
    complete = [trial for trial in trials if trial.is_complete]
    best = max(complete, key=lambda trial: trial.value or 0.0, default=None)
    fields = [*(f"contrast.level_weights.{level}" for level in LEVELS), "contrast.temperature", "model.encoder"]
    return ReportContent(
        name=name,
        description="level weights, temperature, queue size and encoder type",
        state="finished",
        progress=f"{count} of {count} trials ended",
        ended_by=None,
        limit=count,
        epochs=EPOCHS,
        rungs=list(RUNGS),
        trials=trials,
        best=None if best is None else best.number,
        facts={"dataset": "synthetic", "data digest": "c0ffee", "protocol": "xsub", "seed": "0", "code version": "1"},
        log_parameters=frozenset({"contrast.temperature"}),
        made="2026-01-01 00:00:00",
        named_importance=Importance(
            shares={field: 1 / len(fields) for field in fields},
            epoch=1,
            trials=count,
            errors=dict.fromkeys(fields, 0.02),
            draws=12,
        ),
        simplexes={"contrast.level_weights": [f"contrast.level_weights.{level}" for level in LEVELS]},
        cpus=2.0,
        gpus=0.0,
        commands={"search": f"hico-platform search --space level_weights.yaml --name {name}"},
        space="name: many\ntrials: 1000\n",
        drivers=[{"user": "ada", "host": "node-1", "began": "2026-01-01 00:00:00", "what": "began it", "command": ""}],
        more_facts={"data digest": "c0ffee"},
    )


def _trial(number: int, draw: random.Random) -> ReportedTrial:
    cuts = [draw.expovariate(1.0) for _ in LEVELS]
    values: dict[str, object] = {
        f"contrast.level_weights.{level}": 4 * cut / sum(cuts) for level, cut in zip(LEVELS, cuts, strict=True)
    }
    temperature = math.exp(draw.uniform(math.log(0.05), math.log(0.5)))
    values |= {
        "contrast.temperature": temperature,
        "contrast.queue_size": draw.choice([128, 256, 512, 1024]),
        "model.encoder": draw.choice(["gru", "lstm", "transformer"]),
    }
    quality = 0.8 * math.exp(-abs(math.log(temperature / 0.12)) / 2) * (0.7 + 0.3 * cuts[0] / sum(cuts))
    failed = number % 50 == 49
    last = 0 if failed else next((rung for rung in RUNGS if draw.random() > 0.2 + quality / 2), EPOCHS)
    curve = {
        epoch: min(1.0, max(0.0, quality * (1 - math.exp(-(epoch + 2) / 6)) + draw.gauss(0, 0.01)))
        for epoch in (*RUNGS, EPOCHS)
        if epoch <= last
    }
    state = "failed" if failed else "complete" if last == EPOCHS else "pruned"
    began_s, epoch_s = 10.0 * number, draw.uniform(1.0, 2.0)
    spent = {epoch: epoch_s * epoch for epoch in curve}
    busy_s = spent.get(last, 1.0) + 2.0
    value = curve.get(last)
    return ReportedTrial(
        number=number,
        state=state,
        word="stopped" if state == "pruned" else state,
        origin="released" if number == 0 else "sampler",
        values=values,
        curve=curve,
        metrics={} if value is None else {"knn_top1": value, "recognition_top1": min(1.0, 1.1 * value),
                                          "retrieval_map": value / 2, "transfer_top1": 0.9 * value},
        seconds=busy_s,
        reason="TrainingError: loss: expected a finite loss, got nan" if failed else None,
        run_id=None,
        errors=dict.fromkeys(curve, 0.015),
        metric_errors={} if value is None else {"knn_top1": 0.015},
        spent_s=spent,
        at_s={epoch: began_s + seconds for epoch, seconds in spent.items()},
        busy_s=busy_s,
        ended_at_s=began_s + busy_s,
        machine=f"node-{number % 3}",
        traceback="Traceback (most recent call last): ..." if failed else None,
    )  # fmt: skip
