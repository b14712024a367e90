"""The training loop yields each epoch's result; stopping, saving and reporting are up to the caller."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from hico_platform.augment.streams import spatial_tokens, temporal_tokens
from hico_platform.augment.views import Views
from hico_platform.errors import DataError, Problem
from hico_platform.model.contrast import Losses
from hico_platform.model.encoder import Tokens
from hico_platform.ops.cuda_streams import concurrently
from hico_platform.ops.precision import float32_products
from hico_platform.train.cuda_graph import CapturedStep, can_capture
from hico_platform.train.distributed import ALONE, Ranks
from hico_platform.train.guards import EpochProgress, LossRecord, whole_epoch
from hico_platform.train.state import TrainingState


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """One finished epoch: its number (1-based), mean losses by metric name, and its speed."""

    epoch: int
    losses: dict[str, float]
    sequences_per_s: float


def pretrain(
    state: TrainingState,
    *,
    views: Views,
    train: Tensor,
    epochs: int,
    batch_size: int,
    learning_rate: Callable[[int], float],
    clip_gradient_norm: float | None = None,
    progress: Callable[[EpochProgress], None] | None = None,
    ranks: Ranks = ALONE,
) -> Iterator[EpochResult]:
    """Trains from ``state.epoch`` to ``epochs`` on the sequences ``train`` (int64), yielding each epoch.

    ``learning_rate`` maps a 0-based epoch to its rate. The last, smaller batch of an epoch is dropped. ``progress``
    is called every few seconds within an epoch. An exception restores the state from before the running epoch.
    ``batch_size`` is that of the joint batch of all ``ranks``.

    Raises:
        ConfigError: ``ranks`` cannot share a batch equally.
        DataError: there are fewer sequences than ``batch_size``.
        ClosedTestSplitError: there are test sequences among them, in a search or a pretraining.
        TrainingError: a loss or a gradient is not finite.
    """
    views.check(train)  # all at once: a check in a step would have it wait for the device
    if len(train) < batch_size:
        raise DataError(
            Problem(
                field="budget.batch_size",
                rule=f"at most the {len(train)} sequences of the training part",
                value=batch_size,
                remedy="lower batch_size or bring more data",
            )
        )
    step = _step(state, views, rows=ranks.share(batch_size), clip_gradient_norm=clip_gradient_norm, ranks=ranks)
    while state.epoch < epochs:
        started = time.perf_counter()
        rate = learning_rate(state.epoch)
        for group in state.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)  # in place: a captured step reads this tensor
            else:
                group["lr"] = rate
        state.model.train()
        with whole_epoch(state):
            ranks.begin_epoch(seed=state.seed, epoch=state.epoch)
            order = train[torch.randperm(len(train), generator=state.generator, device=train.device)]
            batches = order[: len(order) // batch_size * batch_size].split(batch_size)
            record = LossRecord(state, steps=len(batches), batch_size=batch_size, progress=progress)
            for batch in views.prefetch(batches):
                record.add(step(batch))
            means = record.finish()
        elapsed_s = time.perf_counter() - started
        yield EpochResult(epoch=state.epoch, losses=means, sequences_per_s=len(batches) * batch_size / elapsed_s)


def _step(
    state: TrainingState, views: Views, *, rows: slice | None, clip_gradient_norm: float | None, ranks: Ranks
) -> Callable[[Tensor], Losses]:
    """The training step on ``rows`` of a batch, None being all.

    On a GPU of a process alone it is captured, with its views if the poses are in GPU memory.
    """

    def view(batch: Tensor) -> Tokens:
        return tokens(views.random(batch, generator=state.generator, rows=rows, checked=True))

    def drawn(batch: Tensor) -> tuple[Tensor, ...]:
        query, key = concurrently(partial(view, batch), partial(view, batch))
        return *query, *key

    def learn(*drawn: Tensor) -> Losses:
        query, key = Tokens(*drawn[:2]), Tokens(*drawn[2:])
        return train_step(state, query, key, clip_gradient_norm=clip_gradient_norm, ranks=ranks)

    if ranks is not ALONE or not can_capture(state.device):
        return lambda batch: learn(*drawn(batch))
    if views.resident:
        return CapturedStep(lambda batch: learn(*drawn(batch)), generator=state.generator)
    captured = CapturedStep(learn, generator=state.generator)
    return lambda batch: captured(*drawn(batch))


def train_step(
    state: TrainingState,
    query: Tokens,
    key: Tokens,
    *,
    clip_gradient_norm: float | None = None,
    ranks: Ranks = ALONE,
) -> Losses:
    """One step: contrast, gradient, optimiser, queues."""
    with float32_products(state.model.precision, state.device):
        contrast = state.model(query, key)
        state.optimiser.zero_grad(set_to_none=True)
        contrast.losses.total.backward()
        contrast = ranks.combine(contrast, state.model.query)
        if clip_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(state.model.query.parameters(), clip_gradient_norm)
        concurrently(state.optimiser.step, partial(state.model.enqueue, contrast.keys))
        return contrast.losses


def tokens(poses: Tensor) -> Tokens:
    """The temporal and the spatial tokens of views (N, T, M, J, C)."""
    return Tokens(temporal=temporal_tokens(poses), spatial=spatial_tokens(poses))
