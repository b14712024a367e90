"""A trial: one pretraining with its validation, reporting and downstream evaluation, as a plain function."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hico_platform.build import build_model, build_optimiser, build_views, learning_rate
from hico_platform.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from hico_platform.config.document import Document
from hico_platform.config.schema import parse, to_mapping
from hico_platform.config.trial import TrialConfig
from hico_platform.data.layout import Layout
from hico_platform.data.store import Store
from hico_platform.enums import Decision
from hico_platform.errors import CheckpointError, Problem, TrainingError
from hico_platform.evaluate.downstream import EvalData, EvalFeatures, downstream, eval_features, knn
from hico_platform.search.messages import EpochReport, ReportFunction, TrialOutcome
from hico_platform.train.guards import EpochProgress, memory_explained
from hico_platform.train.loop import EpochResult, pretrain
from hico_platform.train.state import TrainingState

CHECKPOINT_EVERY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class TrainEvalSplit:
    """A store with the sequences to train on and those to score on (int64 indices).

    In a search these are the training and the validation subjects; in retraining the whole training split and the
    test split.
    """

    store: Store
    train: npt.NDArray[np.int64]
    eval: npt.NDArray[np.int64]

    def eval_data(
        self, config: TrialConfig, *, device: torch.device, alive: Callable[[], None] = lambda: None
    ) -> EvalData:
        """The same as tensors on a device, with views as configured."""
        return EvalData(
            views=build_views(config.views, store=self.store, device=device),
            labels=torch.tensor(self.store.labels, device=device),
            train=torch.tensor(self.train, device=device),
            eval=torch.tensor(self.eval, device=device),
            classes=len(self.store.class_names),
            alive=alive,
        )


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
    provenance: Mapping[str, Any] | None = None,
    watch: Callable[[EpochResult], None] | None = None,
    progress: Callable[[EpochProgress], None] | None = None,
    alive: Callable[[], None] = lambda: None,
) -> TrialOutcome:
    """Pretrains, reports validation kNN at ``report_epochs``, and evaluates downstream, stopped or not.

    Resumes by itself from the newest whole checkpoint in ``directory``; a report whose delivery is in doubt
    is made again, so reports arrive at least once. Without ``validate`` reports carry losses alone: the final
    stage looks at its test split once, at the end. ``provenance`` is kept in every checkpoint. ``watch`` is shown
    every epoch, ``progress`` how far the running one is; ``alive`` is called while it evaluates. Whatever cuts it
    off, the last whole epoch is saved.

    Raises:
        TrainingError: a loss or gradient is not finite, or memory ran out; the message names the saved state.
        CheckpointError: ``directory`` holds a run of another configuration or on other data.
    """
    with memory_explained(config):
        source = split.eval_data(config, device=device, alive=alive)
        model = build_model(config, layout=split.store.layout, device=device)
        optimiser = build_optimiser(config.optimiser, model=model)
        state = TrainingState(model=model, optimiser=optimiser, seed=config.budget.seed)
        log = _Log(state, directory=directory, config=config, layout=split.store.layout, provenance=provenance or {})
        features: EvalFeatures | None = None  # of the present weights
        parameters = float(sum(weight.numel() for weight in model.query.encoder.parameters()))

        def tell() -> Decision:
            said = log.report()
            decision = report(said)
            log.history = []
            return decision

        decision = Decision.CONTINUE
        if log.resume() and state.epoch in report_epochs:
            decision = tell()
        if decision is Decision.CONTINUE:
            with log.saved_whatever_happens(), memory_explained(config):
                for result in pretrain(
                    state,
                    views=source.views,
                    train=source.train,
                    epochs=config.budget.epochs,
                    batch_size=config.budget.batch_size,
                    learning_rate=lambda epoch: learning_rate(
                        config.optimiser, epoch=epoch, epochs=config.budget.epochs
                    ),
                    clip_gradient_norm=config.optimiser.clip_gradient_norm,
                    progress=progress,
                ):
                    features = None
                    log.add(result)
                    if watch is not None:
                        watch(result)
                    if result.epoch in report_epochs:
                        if validate:
                            features = eval_features(model.query.encoder, data=source, config=config.evaluation)
                            log.metrics = {"knn_top1": knn(features, data=source), "parameters": parameters}
                        log.save()
                        decision = tell()
                        if decision is Decision.STOP:
                            break
                    elif result.epoch == config.budget.epochs or log.due():
                        log.save()
        scores = downstream(
            model.query.encoder,
            source=source,
            target=None if target is None else target.eval_data(config, device=device, alive=alive),
            config=config.evaluation,
            seed=config.budget.seed,
            features=features,
        )
        return TrialOutcome(
            epoch=state.epoch,
            stopped_early=decision is Decision.STOP and state.epoch < config.budget.epochs,
            metrics=scores,
            checkpoint=log.path if log.path is not None else log.save(),
        )


class _Log:
    """What a run has to say and has saved."""

    def __init__(
        self,
        state: TrainingState,
        *,
        directory: Path,
        config: TrialConfig,
        layout: Layout,
        provenance: Mapping[str, Any],
    ) -> None:
        self.history: list[tuple[int, Mapping[str, float]]] = []  # since the last report
        self.metrics: dict[str, float] = {}
        self.path: Path | None = None
        self._state = state
        self._directory = directory
        self._lasting = {"config": to_mapping(config), "layout": layout.as_plain(), "provenance": dict(provenance)}
        self._saved_epoch = 0  # before it there is nothing that the seed does not give again
        self._saved_at_s = time.monotonic()

    def add(self, result: EpochResult) -> None:
        self.history.append((result.epoch, {**result.losses, "sequences_per_s": result.sequences_per_s}))

    def report(self) -> EpochReport:
        if self.path is None:
            raise ValueError("a report names a checkpoint: save first")
        return EpochReport(
            epoch=self._state.epoch, metrics=self.metrics, history=tuple(self.history), checkpoint=self.path
        )

    def due(self) -> bool:
        return time.monotonic() - self._saved_at_s > CHECKPOINT_EVERY_S

    def save(self) -> Path:
        facts = {**self._lasting, "history": self.history, "metrics": self.metrics}
        self.path = save_checkpoint(
            self._directory, epoch=self._state.epoch, tensors=self._state.tensors(), facts=facts
        )
        self._saved_epoch, self._saved_at_s = self._state.epoch, time.monotonic()
        return self.path

    def resume(self) -> bool:
        """Takes over the newest whole checkpoint, where there is one."""
        checkpoint = newest_checkpoint(self._directory)
        if checkpoint is None:
            return False
        _refuse_another_run(checkpoint, self._lasting)
        self._state.restore(epoch=checkpoint.epoch, tensors=checkpoint.tensors)
        self.history = [(int(epoch), losses) for epoch, losses in checkpoint.facts["history"]]
        self.metrics, self.path = dict(checkpoint.facts["metrics"]), checkpoint.path
        self._saved_epoch = checkpoint.epoch
        return True

    @contextlib.contextmanager
    def saved_whatever_happens(self) -> Iterator[None]:
        """Saves the last whole epoch when training is cut off; a TrainingError then names where it is."""
        try:
            yield
        except BaseException as error:
            if self._state.whole and self._state.epoch > self._saved_epoch:
                with contextlib.suppress(OSError):  # a full disk may be what cut it off
                    self.save()
            if isinstance(error, TrainingError):
                raise TrainingError(
                    [dataclasses.replace(problem, file=self.path) for problem in error.problems]
                ) from error
            raise


# What may change when a run goes on, since the weights do not depend on it. The number of epochs may where every
# epoch so far had the learning rate that it has in the longer run.
_MAY_CHANGE = ("budget.threads", "evaluation.", "arithmetic")
_EPOCHS = "budget.epochs"
_OF_A_RUN = ("config", "provenance")
_OWNER = "provenance.run"


def _refuse_another_run(checkpoint: Checkpoint, now: Mapping[str, Any]) -> None:
    """A checkpoint is taken over by the run that it is of, and by no other, finished or not.

    Raises:
        CheckpointError: with everything that differs.
    """
    then, again = (dict(_flat({name: facts[name] for name in _OF_A_RUN})) for facts in (checkpoint.facts, now))
    for one in (then, again):
        one.setdefault(_OWNER, None)  # a run without a key does not take over one with a key, nor the other way round
    problems = []
    for name, value in again.items():
        field = name.partition(".")[2]
        if field.startswith(_MAY_CHANGE) or then.get(name, value) == value:
            continue
        if field == _EPOCHS and _same_rates(checkpoint, now):
            continue
        problems.append(
            Problem(
                file=checkpoint.path,
                field=field,
                rule=f"{then[name]!r}, as when this run began"
                + (" (the learning rates of its epochs depend on it)" if field == _EPOCHS else ""),
                value=value,
                remedy="set it back, or train in another folder",
            )
        )
    if problems:
        raise CheckpointError(problems)


def _same_rates(checkpoint: Checkpoint, now: Mapping[str, Any]) -> bool:
    """Whether every epoch so far had the learning rate that the run has now at that epoch."""
    then, again = (parse(TrialConfig, Document(data=facts["config"])) for facts in (checkpoint.facts, now))
    return all(
        learning_rate(then.optimiser, epoch=epoch, epochs=then.budget.epochs)
        == learning_rate(again.optimiser, epoch=epoch, epochs=again.budget.epochs)
        for epoch in range(checkpoint.epoch)
    )


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names of what a nested mapping holds."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, child in value.items():
        yield from _flat(child, f"{name}.{key}" if name else key)
