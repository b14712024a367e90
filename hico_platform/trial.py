"""A trial: one pretraining with its validation, reporting and downstream evaluation, as a plain function."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hico_platform.build import build_views
from hico_platform.checkpoint import newest_checkpoint, save_checkpoint
from hico_platform.config.schema import to_mapping
from hico_platform.config.trial import TrialConfig, as_now_written
from hico_platform.data.kept_together import clusters_of, persons
from hico_platform.data.store import Store
from hico_platform.enums import Decision, Signal
from hico_platform.errors import CheckpointError, Problem, TrainingError
from hico_platform.evaluate.data import EvalData, EvalFeatures, Evaluated, eval_features, of_encoder
from hico_platform.evaluate.downstream import downstream
from hico_platform.evaluate.signals import reported_scores
from hico_platform.evaluate.spread import feature_spread
from hico_platform.search.messages import CheckpointWrite, EpochReport, ReportFunction, TrialOutcome
from hico_platform.train.distributed import ALONE, Ranks
from hico_platform.train.guards import EpochProgress, memory_explained
from hico_platform.train.loop import EpochResult
from hico_platform.train.same_run import check_same_run, with_precision
from hico_platform.train.session import begin_session
from hico_platform.train.state import TrainingState

CHECKPOINT_EVERY_S = 60.0

ScoreFunction = Callable[[Evaluated], Mapping[str, float]]
"""Scores a trained encoder with its features, and those on the target dataset."""


@dataclass(frozen=True, kw_only=True)
class TrainEvalSplit:
    """A store with the sequences to train on and those to score on (int64 indices).

    In a search these are the training and the validation subjects; in retraining the whole training split and the
    test split.
    """

    store: Store
    train: npt.NDArray[np.int64]
    eval: npt.NDArray[np.int64]
    pretrain_only: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Sequences that join ``train`` in pretraining and are left out of every score."""
    pretrains_on_eval: bool = False
    """Whether ``eval`` joins ``train`` in pretraining, which asks for no labels."""

    @property
    def pretrain(self) -> npt.NDArray[np.int64]:
        """All sequences to pretrain on, ascending."""
        scored = self.eval if self.pretrains_on_eval else self.eval[:0]
        return np.sort(np.concatenate([self.train, scored, self.pretrain_only]))

    @property
    def can_be_scored(self) -> bool:
        """Whether there is anything to score with; not in a store without labels."""
        return len(self.train) > 0 and len(self.eval) > 0

    def eval_data(
        self, config: TrialConfig, *, device: torch.device, alive: Callable[[], None] = lambda: None
    ) -> EvalData:
        """The sequences as tensors on a device, with views as configured."""
        owners = persons(self.store)
        return EvalData(
            views=build_views(config.views, store=self.store, device=device),
            labels=torch.tensor(self.store.labels, device=device),
            train=torch.tensor(self.train, device=device),
            eval=torch.tensor(self.eval, device=device),
            classes=len(self.store.class_names),
            subjects=torch.tensor(owners) if len(np.unique(owners)) < len(owners) else None,
            clusters=clusters_of(self.store, self.eval),
            names=self.store.names,
            layout=self.store.layout,
            alive=alive,
        )


@dataclass(frozen=True, kw_only=True)
class TrialCallbacks:
    """What a trial calls while it runs.

    Args:
        on_epoch: after every epoch.
        on_progress: within an epoch, every few seconds.
        alive: between the parts of an evaluation, as a sign that the trial makes progress.
        system: after every epoch, for what the machine was doing, by names that begin with ``system/``.
    """

    on_epoch: Callable[[EpochResult], None] = lambda result: None
    on_progress: Callable[[EpochProgress], None] = lambda progress: None
    alive: Callable[[], None] = lambda: None
    system: Callable[[], Mapping[str, float]] = dict


def run_trial(
    config: TrialConfig,
    *,
    split: TrainEvalSplit,
    target: TrainEvalSplit | None,
    directory: Path,
    report_epochs: Container[int],
    report: ReportFunction,
    device: torch.device,
    validate: bool = True,
    score: ScoreFunction | None = None,
    signal: Signal = Signal.KNN_TOP1,
    provenance: Mapping[str, Any] | None = None,
    callbacks: TrialCallbacks = TrialCallbacks(),
    ranks: Ranks = ALONE,
) -> TrialOutcome:
    """Pretrains, reports validation scores at ``report_epochs``, and evaluates downstream, stopped early or not.

    A split without labels is pretrained on and has no metrics.

    Resumes from the newest whole checkpoint in ``directory``. A report that may not have been delivered is sent again,
    so each report is delivered at least once. When the trial is interrupted, its last complete epoch is saved.

    Args:
        config: what is trained, and for how long. ``auto`` precision is resolved, so checkpoints record the one used.
        split: the sequences to train on and to score on.
        target: the sequences of another dataset, for transfer.
        directory: where checkpoints are kept.
        report_epochs: the epochs after which it reports.
        report: delivers a report and returns the decision.
        device: the device to train on.
        validate: whether reports have metrics. A retraining scores its test split once, at the end: its reports have
            losses alone.
        score: the downstream evaluation; by default :func:`hico_platform.evaluate.downstream.downstream`.
        signal: a score that reports have besides kNN.
        provenance: kept in every checkpoint.
        callbacks: called during the trial.
        ranks: the processes that train it together, of which this is the first; the others run :func:`follow_trial`.

    Raises:
        ConfigError: ``ranks`` cannot share a batch equally.
        LostRankError: another of them was lost.
        TrainingError: a loss or gradient is not finite, or memory ran out; the message names the saved state.
        CheckpointError: ``directory`` holds a run of another configuration or on other data.
    """
    config = with_precision(config, directory=directory, device=device)
    with memory_explained(config):
        training = _Training(
            config=config,
            split=split,
            directory=directory,
            provenance=provenance or {},
            device=device,
            signal=signal if validate and split.can_be_scored else None,
            callbacks=callbacks,
            ranks=ranks,
        )
        decision = training.run(report_epochs, report)
        scores: Mapping[str, float] = {}
        if split.can_be_scored:
            on_target = None if target is None else target.eval_data(config, device=device, alive=callbacks.alive)
            scores = training.score(on_target) if score is None else score(training.evaluated(on_target))
        return training.outcome(decision, scores)


def follow_trial(
    config: TrialConfig, *, split: TrainEvalSplit, directory: Path, device: torch.device, ranks: Ranks
) -> None:
    """Trains beside the first of ``ranks``, which runs :func:`run_trial`, from the state that it begins with.

    Nothing is reported, saved or evaluated here; the first decides after each epoch whether there is another.

    Args:
        config: as the first has it, its precision resolved.
        split: the sequences to train on.
        directory: where the first finds and keeps checkpoints.
        device: the device to train on.
        ranks: the processes that train it together.

    Raises:
        TrainingError: a loss or gradient is not finite, or memory ran out.
        CheckpointError: the checkpoint that the first begins with is not there for this process.
    """
    with memory_explained(config):
        store = split.store
        session = begin_session(config, layout=store.layout, device=device, coordinates=store.coordinates)
        views = build_views(config.views, store=store, device=device)
        epoch = ranks.from_first(0)
        if epoch > 0:
            _restore_epoch(session.state, epoch, directory=directory)
        if ranks.from_first(False):
            return
        sequences = torch.tensor(split.pretrain, device=device)
        for _ in session.train(views=views, sequences=sequences, ranks=ranks):
            if ranks.from_first(False):
                return


def _restore_epoch(state: TrainingState, epoch: int, *, directory: Path) -> None:
    checkpoint = newest_checkpoint(directory)
    if checkpoint is None or checkpoint.epoch != epoch:
        raise CheckpointError(
            Problem(
                file=directory,
                rule=f"the checkpoint of epoch {epoch}, from which the first process goes on",
                value="none" if checkpoint is None else f"epoch {checkpoint.epoch}",
                remedy="run the same command again, while nothing else writes to this folder",
            )
        )
    state.restore(epoch=epoch, tensors=checkpoint.tensors)


class _Training:
    """The pretraining of one trial: its state, what it has reported and what it has saved."""

    def __init__(
        self,
        *,
        config: TrialConfig,
        split: TrainEvalSplit,
        directory: Path,
        provenance: Mapping[str, Any],
        device: torch.device,
        signal: Signal | None,
        callbacks: TrialCallbacks,
        ranks: Ranks,
    ) -> None:
        self._config = config
        self._signal = signal
        self._callbacks = callbacks
        self._ranks = ranks
        self.data = split.eval_data(config, device=device, alive=callbacks.alive)
        self._sequences = torch.tensor(split.pretrain, device=device)
        store = split.store
        self._session = begin_session(config, layout=store.layout, device=device, coordinates=store.coordinates)
        self.encoder = self._session.encoder
        self.features: EvalFeatures | None = None
        """Metrics of the present weights, if a validation has computed them."""

        self._parameters = float(sum(weight.numel() for weight in self.encoder.parameters()))
        self._state = self._session.state
        self._log = _TrialLog(self._state, directory=directory, config=config, store=store, provenance=provenance)

    def run(self, report_epochs: Container[int], report: ReportFunction) -> Decision:
        """Trains to the end of the budget, or until the answer to a report is to stop."""
        with self._log.saving_on_error(), memory_explained(self._config), self._ranks.losses_explained():
            decision = Decision.CONTINUE
            resumed = self._log.resume()
            self._ranks.from_first(self._state.epoch)
            if resumed and self._state.epoch in report_epochs:
                if self._signal is not None and not self._log.scores_hold:
                    self._score(self._signal)
                decision = self._send(report)
            if self._stops(decision):
                return decision
            for result in self._session.train(
                views=self.data.views,
                sequences=self._sequences,
                progress=self._callbacks.on_progress,
                ranks=self._ranks,
            ):
                self.features = None
                self._log.add(result, system=self._callbacks.system())
                self._callbacks.on_epoch(result)
                if result.epoch in report_epochs:
                    if self._signal is not None:
                        self._score(self._signal)
                    self._log.save()
                    decision = self._send(report)
                elif result.epoch == self._config.budget.epochs or self._log.is_due():
                    self._log.save()
                if self._stops(decision):
                    break
        return decision

    def _stops(self, decision: Decision) -> bool:
        """Whether training ends here, which the other ranks are told."""
        return bool(self._ranks.from_first(decision is Decision.STOP))

    def score(self, target: EvalData | None) -> Mapping[str, float]:
        """The downstream scores of the present weights."""
        return downstream(
            self.encoder,
            source=self.data,
            target=target,
            config=self._config.evaluation,
            seed=self._config.budget.seed,
            features=self.features,
        )

    def evaluated(self, target: EvalData | None) -> Evaluated:
        """The encoder with its features, and those of the target dataset."""
        config, seed = self._config.evaluation, self._config.budget.seed
        return Evaluated(
            data=self.data,
            features=self.features or eval_features(self.encoder, data=self.data, config=config),
            config=config,
            seed=seed,
            encoder=self.encoder,
            target=None if target is None else of_encoder(self.encoder, data=target, config=config, seed=seed),
        )

    def outcome(self, decision: Decision, scores: Mapping[str, float]) -> TrialOutcome:
        """How the trial ended, with its downstream scores."""
        epoch = self._state.epoch
        return TrialOutcome(
            epoch=epoch,
            stopped_early=decision is Decision.STOP and epoch < self._config.budget.epochs,
            metrics=scores,
            checkpoint=self._log.path or self._log.save(),
        )

    def _score(self, signal: Signal) -> None:
        evaluation, seed = self._config.evaluation, self._config.budget.seed
        self.features = eval_features(self.encoder, data=self.data, config=evaluation)
        found = reported_scores(self.features, data=self.data, config=evaluation, signal=signal, seed=seed)
        spread = feature_spread(self.features.eval)
        metrics = {**found.values, "parameters": self._parameters, "feature_spread": spread}
        self._log.score(metrics, standard_errors=found.standard_errors)

    def _send(self, report: ReportFunction) -> Decision:
        decision = report(self._log.report())
        self._log.history, self._log.writes = [], []
        return decision


class _TrialLog:
    """The epochs and metrics since the last report, and the newest checkpoint."""

    def __init__(
        self,
        state: TrainingState,
        *,
        directory: Path,
        config: TrialConfig,
        store: Store,
        provenance: Mapping[str, Any],
    ) -> None:
        self.history: list[tuple[int, Mapping[str, float]]] = []  # since the last report
        self.metrics: Mapping[str, float] = {}
        self.standard_errors: Mapping[str, float] = {}
        self.scores_hold = False
        """Whether a resumed run has the scores of its epoch; one that was cut off at its validation has older ones."""

        self._scored_epoch: int | None = None
        self.path: Path | None = None
        self.writes: list[CheckpointWrite] = []  # since the last report
        self._state = state
        self._directory = directory
        self._identity = {
            "config": to_mapping(config),
            "layout": store.layout.as_plain(),
            "coordinates": store.coordinates,
            "normalisation": store.normalisation,
            "missing_joint": store.missing_joint,
            "bodies": store.bodies,
            "provenance": dict(provenance),
        }
        self._evaluation = to_mapping(config.evaluation)
        self._saved_epoch = 0  # before the first epoch the seed reproduces the whole state
        self._saved_at_s = time.monotonic()

    def add(self, result: EpochResult, *, system: Mapping[str, float]) -> None:
        self.history.append((result.epoch, {**result.losses, "sequences_per_s": result.sequences_per_s, **system}))

    def score(self, metrics: Mapping[str, float], *, standard_errors: Mapping[str, float]) -> None:
        self.metrics, self.standard_errors = metrics, standard_errors
        self._scored_epoch = self._state.epoch

    def report(self) -> EpochReport:
        if self.path is None:
            raise ValueError("expected a saved checkpoint before a report, got none")
        return EpochReport(
            epoch=self._state.epoch,
            metrics=self.metrics,
            history=tuple(self.history),
            checkpoint=self.path,
            standard_errors=self.standard_errors,
            checkpoint_writes=tuple(self.writes),
        )

    def is_due(self) -> bool:
        return time.monotonic() - self._saved_at_s > CHECKPOINT_EVERY_S

    def save(self) -> Path:
        facts = {
            **self._identity,
            "history": self.history,
            "metrics": self.metrics,
            "standard_errors": self.standard_errors,
            "scored_epoch": self._scored_epoch,
        }
        began_s = time.monotonic()
        self.path = save_checkpoint(
            self._directory, epoch=self._state.epoch, tensors=self._state.tensors(), facts=facts
        )
        self._saved_epoch, self._saved_at_s = self._state.epoch, time.monotonic()
        size = sum(file.stat().st_size for file in self.path.iterdir())
        self.writes.append(CheckpointWrite(seconds=self._saved_at_s - began_s, size_bytes=size))
        return self.path

    def resume(self) -> bool:
        """Restores the newest complete checkpoint, if any; returns whether there was one."""
        checkpoint = newest_checkpoint(self._directory)
        if checkpoint is None:
            return False
        check_same_run(checkpoint, self._identity)
        self._state.restore(epoch=checkpoint.epoch, tensors=checkpoint.tensors)
        self.history = [(int(epoch), losses) for epoch, losses in checkpoint.facts["history"]]
        self.metrics, self.path = checkpoint.facts["metrics"], checkpoint.path
        self.standard_errors = checkpoint.facts.get("standard_errors", {})
        self._scored_epoch = checkpoint.facts.get("scored_epoch")  # earlier versions did not say of which they were
        evaluation = as_now_written(checkpoint.facts["config"])["evaluation"]
        self.scores_hold = self._scored_epoch == checkpoint.epoch and evaluation == self._evaluation
        self._saved_epoch = checkpoint.epoch
        return True

    @contextlib.contextmanager
    def saving_on_error(self) -> Iterator[None]:
        """Saves the last complete epoch when an exception ends training; a TrainingError then names the saved path."""
        try:
            yield
        except BaseException as error:
            if self._state.whole and self._state.epoch > self._saved_epoch:
                with contextlib.suppress(OSError):  # a full disk may be the cause
                    self.save()
            if isinstance(error, TrainingError):
                raise type(error)(
                    [dataclasses.replace(problem, file=self.path) for problem in error.problems]
                ) from error
            raise
