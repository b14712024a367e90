"""How long trials take on this machine: a few timed steps, and one evaluation of a part of the sequences."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from hico_platform.build import build_model, build_optimiser
from hico_platform.config.trial import TrialConfig
from hico_platform.evaluate.downstream import downstream, knn, probe_features
from hico_platform.model.hico import HiCo
from hico_platform.search.cost import Timing
from hico_platform.search.task import TrialTask
from hico_platform.train.kernel_check import checked_kernels
from hico_platform.train.loop import pretrain
from hico_platform.train.state import TrainingState
from hico_platform.trial import Fold
from hico_platform.worker.run_task import TrialData, device_of, prepare_threads

STEPS = 4
MOST_SEQUENCES = 2048
"""Evaluation is timed on at most so many; its time grows with their number."""


def time_trials(configs: Sequence[TrialConfig], *, data: TrialData, cpus: float, gpus: float) -> Timing:
    """Mean seconds of an epoch over ``configs``; evaluation is timed with the first of them."""
    task = TrialTask(number=0, config=configs[0], directory=Path(), report_epochs=(), cpus=cpus, gpus=gpus)
    prepare_threads(task)
    device = device_of(task)
    fold, target = data.folds()
    epochs_s: list[float] = []
    for config in configs:
        with checked_kernels(config, layout=fold.store.layout, device=device):
            model, seconds = _trained(config, fold, device)
            if not epochs_s:
                report_s, evaluation_s = _evaluation_seconds(model, config, fold=fold, target=target, device=device)
            epochs_s.append(seconds)
    return Timing(epoch_s=statistics.fmean(epochs_s), report_s=report_s, evaluation_s=evaluation_s)


def _evaluation_seconds(
    model: HiCo, config: TrialConfig, *, fold: Fold, target: Fold | None, device: torch.device
) -> tuple[float, float]:
    """Of a validation, and of the whole evaluation at a trial's end."""
    part, times = _part(fold)
    source = part.probe(config, device=device)
    encoder = model.query.encoder
    report_s = times * _seconds(
        lambda: knn(probe_features(encoder, probe=source, config=config.evaluation), probe=source)
    )

    def evaluate(transfer: Fold | None) -> None:
        downstream(
            encoder,
            source=source,
            target=None if transfer is None else transfer.probe(config, device=device),
            config=config.evaluation,
            seed=0,
        )

    alone_s = _seconds(lambda: evaluate(None))
    evaluation_s = times * alone_s
    if target is not None:
        part, times = _part(target)
        evaluation_s += times * max(_seconds(lambda: evaluate(part)) - alone_s, 0.0)
    return report_s, evaluation_s


def _trained(config: TrialConfig, fold: Fold, device: torch.device) -> tuple[HiCo, float]:
    """A model, and the seconds of one epoch of its configuration: from the second of two short ones of a few steps."""
    batch_size = min(config.budget.batch_size, len(fold.fit))
    few = dataclasses.replace(fold, fit=fold.fit[: STEPS * batch_size])
    probe = few.probe(config, device=device)
    model = build_model(config, layout=few.store.layout, device=device)
    state = TrainingState(model=model, optimiser=build_optimiser(config.optimiser, model=model), seed=0)
    *_, last = pretrain(
        state,
        views=probe.views,
        train=probe.fit,
        epochs=2,
        batch_size=batch_size,
        learning_rate=lambda epoch: config.optimiser.learning_rate,
    )
    return model, len(fold.fit) / last.sequences_per_s


def _part(fold: Fold) -> tuple[Fold, float]:
    """A part of a fold, and how many times it is in the whole."""
    whole = len(fold.fit) + len(fold.score)
    share = min(1.0, MOST_SEQUENCES / whole)
    fit, score = (indices[: max(1, int(share * len(indices)))] for indices in (fold.fit, fold.score))
    return Fold(store=fold.store, fit=fit, score=score), whole / (len(fit) + len(score))


def _seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes; its numbers have come to the CPU when it returns."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s
