"""Sets up training for a configuration: model, optimiser and training state on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hico_platform.augment.views import Views
from hico_platform.build import build_model, build_optimiser, learning_rate
from hico_platform.config.trial import TrialConfig
from hico_platform.data.layout import Layout
from hico_platform.data.store import COORDINATES
from hico_platform.model.encoder import HierarchicalEncoder
from hico_platform.train.distributed import ALONE, Ranks
from hico_platform.train.guards import EpochProgress
from hico_platform.train.loop import EpochResult, pretrain
from hico_platform.train.state import TrainingState


@dataclass(frozen=True, kw_only=True)
class TrainingSession:
    """A configuration and its training state; created by :func:`begin_session`."""

    config: TrialConfig
    state: TrainingState

    @property
    def encoder(self) -> HierarchicalEncoder:
        """The query encoder, which evaluation uses."""
        return self.state.model.query.encoder

    def train(
        self,
        *,
        views: Views,
        sequences: Tensor,
        epochs: int | None = None,
        batch_size: int | None = None,
        rate: Callable[[int], float] | None = None,
        progress: Callable[[EpochProgress], None] | None = None,
        ranks: Ranks = ALONE,
    ) -> Iterator[EpochResult]:
        """Trains from the state's epoch on, yielding each epoch; None means the configuration's value.

        Args:
            views: views of a store's poses.
            sequences: int64 indices (n,) of the sequences to train on.
            epochs: the last epoch.
            batch_size: sequences in a batch, of all ranks together.
            rate: maps an epoch (0-based) to its learning rate.
            progress: is called every few seconds within an epoch.
            ranks: the processes that train this model together.

        Raises:
            ConfigError: ``ranks`` cannot share a batch equally.
            DataError: there are fewer sequences than ``batch_size``.
            TrainingError: a loss or a gradient is not finite.
        """
        config = self.config
        return pretrain(
            self.state,
            views=views,
            train=sequences,
            epochs=config.budget.epochs if epochs is None else epochs,
            batch_size=config.budget.batch_size if batch_size is None else batch_size,
            learning_rate=rate or self._configured_rate,
            clip_gradient_norm=config.optimiser.clip_gradient_norm,
            progress=progress,
            ranks=ranks,
        )

    def _configured_rate(self, epoch: int) -> float:
        return learning_rate(self.config.optimiser, epoch=epoch, epochs=self.config.budget.epochs)


def begin_session(
    config: TrialConfig, *, layout: Layout, device: torch.device, coordinates: int = COORDINATES
) -> TrainingSession:
    """Creates model and optimiser of a configuration from its seed, in the state before the first epoch.

    Raises:
        ConfigError: frames or joints are too few for the granularities, or the device lacks the model's precision.
    """
    model = build_model(config, layout=layout, device=device, coordinates=coordinates)
    optimiser = build_optimiser(config.optimiser, model=model)
    return TrainingSession(
        config=config, state=TrainingState(model=model, optimiser=optimiser, seed=config.budget.seed)
    )
