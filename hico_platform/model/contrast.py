"""Hierarchical contrast: what each representation of a query is held against, and the losses of the four levels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from hico_platform.enums import Level, Representation
from hico_platform.ops.cuda_streams import concurrently
from hico_platform.ops.info_nce import info_nce

# Whose keys a query is held against: the domain level crosses the two branches.
KEY_OF: Mapping[Representation, Representation] = {
    Representation.CLIP: Representation.CLIP,
    Representation.PART: Representation.PART,
    Representation.TEMPORAL_DOMAIN: Representation.SPATIAL_DOMAIN,
    Representation.SPATIAL_DOMAIN: Representation.TEMPORAL_DOMAIN,
    Representation.INSTANCE: Representation.INSTANCE,
}


class Comparison(NamedTuple):
    """Anchors (N, P), their positive keys (N, positives, P) and a queue of negative keys (K, P)."""

    anchor: Tensor
    positives: Tensor
    queue: Tensor


class Losses(NamedTuple):
    """``total`` is the weighted sum over ``levels``; all are scalars."""

    total: Tensor
    levels: dict[Level, Tensor]


def comparisons(
    queries: Mapping[Representation, Tensor],
    keys: Mapping[Representation, Tensor],
    queues: Mapping[Representation, Tensor],
) -> dict[Representation, Comparison]:
    """At clip and part level the anchor is the query's granularity 0, and all granularities' keys are positive."""
    found = {}
    for name, key_name in KEY_OF.items():
        query, key = queries[name], keys[key_name]
        anchor, positives = (query[:, 0], key) if query.dim() == 3 else (query, key[:, None])
        found[name] = Comparison(anchor, positives, queues[key_name])
    return found


def level_losses(
    compared: Mapping[Representation, Comparison], *, temperature: float, weights: Mapping[Level, float]
) -> Losses:
    """InfoNCE by level and the sum by ``weights``; the domain level is the sum of its two terms."""
    levels: dict[Level, Tensor] = {}
    terms = concurrently(*(partial(info_nce, *each, temperature=temperature) for each in compared.values()))
    for name, loss in zip(compared, terms, strict=True):
        levels[name.level] = levels[name.level] + loss if name.level in levels else loss
    return Losses(total=torch.stack([weights[level] * loss for level, loss in levels.items()]).sum(), levels=levels)
