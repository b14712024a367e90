"""A trial: one pretraining with its validation, reporting and downstream evaluation, as a plain function."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hico_platform.build import build_model, build_optimiser, build_views, learning_rate
from hico_platform.checkpoint import newest_checkpoint, save_checkpoint
from hico_platform.config.schema import to_mapping
from hico_platform.config.trial import TrialConfig
from hico_platform.data.store import Store
from hico_platform.evaluate.downstream import Probe, downstream, knn
from hico_platform.pretrain.loop import EpochResult, pretrain
from hico_platform.pretrain.state import TrainingState
from hico_platform.vocabulary import Decision

CHECKPOINT_EVERY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What a trial says at an epoch that the scheduler looks at.

    ``epoch`` counts finished epochs. ``history`` holds (epoch, losses) of every epoch since the last report.
    ``checkpoint`` is the whole training state at ``epoch``, already on disk.
    """

    epoch: int
    metrics: Mapping[str, float]
    history: tuple[tuple[int, Mapping[str, float]], ...]
    checkpoint: Path


@dataclass(frozen=True, kw_only=True)
class TrialOutcome:
    """How a trial ended, with its downstream metrics, stopped early or not."""

    epoch: int
    stopped_early: bool
    metrics: Mapping[str, float]
    checkpoint: Path


Report = Callable[[EpochReport], Decision]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """A store with the sequences to learn from and those to score on (int64 indices).

    In a search: the training subjects and the validation subjects. In the final stage: the whole training
    split and the test split.
    """

    store: Store
    fit: npt.NDArray[np.int64]
    score: npt.NDArray[np.int64]

    def probe(self, config: TrialConfig, *, device: torch.device) -> Probe:
        """The same as tensors on a device, with views as configured."""
        return Probe(
            views=build_views(config.views, store=self.store, device=device),
            labels=torch.tensor(self.store.labels, device=device),
            fit=torch.tensor(self.fit, device=device),
            score=torch.tensor(self.score, device=device),
            classes=len(self.store.class_names),
        )


def run_trial(
    config: TrialConfig,
    *,
    fold: Fold,
    target: Fold | None,
    directory: Path,
    report_epochs: Container[int],
    report: Report,
    device: torch.device,
    validate: bool = True,
    provenance: Mapping[str, Any] | None = None,
    watch: Callable[[EpochResult], None] | None = None,
) -> TrialOutcome:
    """Pretrains, reports validation kNN at ``report_epochs``, and evaluates downstream, stopped or not.

    Resumes by itself from the newest whole checkpoint in ``directory``; a report whose delivery is in doubt
    is made again, so reports arrive at least once. Without ``validate`` reports carry losses alone: the final
    stage looks at its test split once, at the end. ``provenance`` is kept in every checkpoint. ``watch`` is shown
    every epoch.
    """
    source = fold.probe(config, device=device)
    model = build_model(config, layout=fold.store.layout, device=device)
    optimiser = build_optimiser(config.optimiser, model=model)
    state = TrainingState(model=model, optimiser=optimiser, seed=config.budget.seed)
    history: list[tuple[int, dict[str, float]]] = []
    metrics: dict[str, float] = {}
    parameters = float(sum(weight.numel() for weight in model.query.encoder.parameters()))
    saved_at_s = time.monotonic()

    def save() -> Path:
        nonlocal saved_at_s
        saved_at_s = time.monotonic()
        facts = {
            "config": to_mapping(config),
            "layout": fold.store.layout.as_plain(),
            "history": history,
            "metrics": metrics,
            "provenance": dict(provenance or {}),
        }
        return save_checkpoint(directory, epoch=state.epoch, tensors=state.tensors(), facts=facts)

    checkpoint = newest_checkpoint(directory)
    path: Path | None = None
    decision = Decision.CONTINUE
    if checkpoint is not None:
        state.restore(epoch=checkpoint.epoch, tensors=checkpoint.tensors)
        history = [(int(epoch), losses) for epoch, losses in checkpoint.facts["history"]]
        metrics, path = dict(checkpoint.facts["metrics"]), checkpoint.path
        if state.epoch in report_epochs:
            decision = report(EpochReport(epoch=state.epoch, metrics=metrics, history=tuple(history), checkpoint=path))
            history = []
    if decision is Decision.CONTINUE:
        for result in pretrain(
            state,
            views=source.views,
            train=source.fit,
            epochs=config.budget.epochs,
            batch_size=config.budget.batch_size,
            learning_rate=lambda epoch: learning_rate(config.optimiser, epoch=epoch, epochs=config.budget.epochs),
            clip_gradient_norm=config.optimiser.clip_gradient_norm,
        ):
            history.append((result.epoch, {**result.losses, "sequences_per_s": result.sequences_per_s}))
            if watch is not None:
                watch(result)
            last = result.epoch == config.budget.epochs
            if result.epoch in report_epochs:
                if validate:
                    score = knn(model.query.encoder, probe=source, config=config.evaluation)
                    metrics = {"knn_top1": score, "parameters": parameters}
                path = save()
                decision = report(
                    EpochReport(epoch=result.epoch, metrics=metrics, history=tuple(history), checkpoint=path)
                )
                history = []
                if decision is Decision.STOP:
                    break
            elif last or time.monotonic() - saved_at_s > CHECKPOINT_EVERY_S:
                path = save()
    scores = downstream(
        model.query.encoder,
        source=source,
        target=None if target is None else target.probe(config, device=device),
        config=config.evaluation,
        seed=config.budget.seed,
    )
    return TrialOutcome(
        epoch=state.epoch,
        stopped_early=decision is Decision.STOP and state.epoch < config.budget.epochs,
        metrics=scores,
        checkpoint=path if path is not None else save(),
    )
