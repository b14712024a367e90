"""Checks that stop a run with non-finite losses or weights, and keep its last valid state.

Losses stay on the device and are checked every ``CHECK_EVERY_S`` seconds and at the end of an epoch, so that no step
waits for them. A non-finite gradient makes weights non-finite, which is checked at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Level
from hico_platform.errors import Problem, TrainingError
from hico_platform.model.contrast import Losses
from hico_platform.train.state import TrainingState

CHECK_EVERY_S = 2.0
_REMEDY = "lower optimiser.learning_rate, raise contrast.temperature or set optimiser.clip_gradient_norm"
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")


@dataclass(frozen=True, kw_only=True)
class EpochProgress:
    """Progress of the running epoch (1-based): steps done, mean losses so far by metric name, and speed."""

    epoch: int
    step: int
    steps: int
    losses: dict[str, float]
    sequences_per_s: float


class LossRecord:
    """Losses of every step of an epoch, on the device."""

    def __init__(
        self,
        state: TrainingState,
        *,
        steps: int,
        batch_size: int,
        progress: Callable[[EpochProgress], None] | None = None,
    ) -> None:
        self._state = state
        self._batch_size = batch_size
        self._progress = progress
        self._names = ["loss", *(f"loss_{level}" for level in Level)]
        self._losses = torch.zeros(steps, len(self._names), device=state.device)
        self._step = 0
        self._started_s = self._checked_s = time.perf_counter()

    def add(self, losses: Losses) -> None:
        """Adds a step's losses.

        Raises:
            TrainingError: a check was due, and a loss or a weight is not finite.
        """
        levels = (losses.levels[level] for level in Level)
        self._losses[self._step] = torch.stack([losses.total, *levels]).detach()
        self._step += 1
        now = time.perf_counter()
        if now - self._checked_s > CHECK_EVERY_S:
            self._checked_s = now
            self._check()
            if self._progress is not None:
                self._progress(self._so_far(now))

    def finish(self) -> dict[str, float]:
        """Mean losses of the epoch by metric name.

        Raises:
            TrainingError: a loss or a weight is not finite.
        """
        self._check()
        return self._means()

    def _means(self) -> dict[str, float]:
        return dict(zip(self._names, self._losses[: self._step].mean(dim=0).tolist(), strict=True))

    def _so_far(self, now: float) -> EpochProgress:
        return EpochProgress(
            epoch=self._state.epoch + 1,
            step=self._step,
            steps=len(self._losses),
            losses=self._means(),
            sequences_per_s=self._step * self._batch_size / (now - self._started_s),
        )

    def _check(self) -> None:
        epoch, steps = self._state.epoch + 1, len(self._losses)
        broken = ~self._losses[: self._step].isfinite()
        if bool(broken.any()):
            step, which = broken.nonzero()[0].tolist()
            raise TrainingError(
                Problem(
                    field=self._names[which],
                    rule=f"a finite loss in epoch {epoch}, step {step + 1} of {steps}"
                    + (", and a finite gradient in the step before" if step else ""),
                    value=float(self._losses[step, which]),
                    remedy=_REMEDY,
                )
            )
        weights = dict(self._state.model.query.named_parameters())
        if not bool(torch.nn.utils.get_total_norm(list(weights.values())).isfinite()):
            named = [name for name, weight in weights.items() if not bool(weight.isfinite().all())]
            raise TrainingError(
                Problem(
                    field=named[0] if named else "weights",
                    rule=f"a finite gradient in epoch {epoch}, step {self._step} of {steps}",
                    value=f"{len(named)} of {len(weights)} weights that are not finite",
                    remedy=_REMEDY,
                )
            )


@contextmanager
def whole_epoch(state: TrainingState) -> Iterator[None]:
    """Counts an epoch when it is complete; an exception restores the state from before the epoch.

    So a caller only ever sees, and saves, states after complete epochs, for which ``state.whole`` is True.
    """
    epoch = state.epoch
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    state.whole = False
    try:
        yield
        state.epoch = epoch + 1
        state.whole = True
    except BaseException:
        state.restore(epoch=epoch, tensors=before)
        raise


def ran_out_of_memory(error: Exception) -> bool:
    """Whether an error is out of memory, on a CPU or a GPU."""
    can_be = isinstance(error, MemoryError | RuntimeError)
    return can_be and (isinstance(error, MemoryError) or any(sign in str(error) for sign in _OUT_OF_MEMORY))


@contextmanager
def memory_explained(config: TrialConfig) -> Iterator[None]:
    """Turns out-of-memory errors, on a GPU or a CPU, into one that names the settings that need memory.

    Raises:
        TrainingError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        model, keys = config.model, config.contrast.queue_size
        # Two queues of G*K keys and three of K keys, float32.
        queues_mib = (2 * model.granularities + 3) * keys * model.projection_width * 4 / 2**20
        raise TrainingError(
            Problem(
                field="budget.batch_size",
                rule=f"memory for {config.budget.batch_size} sequences a batch of {config.views.frames} frames at "
                f"hidden_width {model.hidden_width}, and queues of {keys} keys, {queues_mib:,.0f} MiB",
                value=str(error).splitlines()[0] if str(error) else "out of memory",
                remedy="lower budget.batch_size, then model.hidden_width, contrast.queue_size or "
                "model.projection_width, or run fewer trials at a time on this device",
            )
        ) from error
