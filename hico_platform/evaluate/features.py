"""Features of sequences under the centre crop: constant for a frozen encoder, so computed once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hico_platform.augment.streams import spatial_tokens, temporal_tokens
from hico_platform.augment.views import Views
from hico_platform.enums import Precision
from hico_platform.model.encoder import HierarchicalEncoder, Tokens
from hico_platform.ops.precision import float32_products

BATCH = 256


@torch.no_grad()
def encoder_features(
    encoder: HierarchicalEncoder,
    *,
    views: Views,
    indices: Tensor,
    centre_crop: float,
    alter: Callable[[Tensor], Tensor] | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Tensor:
    """Features (n, 2*G*D) of the sequences ``indices`` (n,), before any normalisation, dropout off.

    ``alter`` changes the joints (b, T, M, J, C) of each batch, in order, before the encoder's stream is made of them.
    ``alive`` is called at every batch.
    """
    training = encoder.training
    encoder.eval()
    try:
        with float32_products(Precision.FLOAT32, indices.device):
            features = torch.empty(len(indices), encoder.feature_width, device=indices.device)
            for batch, rows in zip(indices.split(BATCH), features.split(BATCH), strict=True):
                poses = views.centre(batch, share=centre_crop, alter=alter)
                rows.copy_(encoder(tokens_of(poses)).instance())
                alive()
            return features
    finally:
        encoder.train(training)


def tokens_of(poses: Tensor) -> Tokens:
    """The temporal and the spatial tokens of views (N, T, M, J, C)."""
    return Tokens(temporal=temporal_tokens(poses), spatial=spatial_tokens(poses))


def raw_pose_features(*, views: Views, indices: Tensor, centre_crop: float) -> Tensor:
    """The poses themselves, (n, T*M*J*C): the baseline that any encoder should beat."""
    return torch.cat([views.centre(batch, share=centre_crop).flatten(1) for batch in indices.split(BATCH)])
