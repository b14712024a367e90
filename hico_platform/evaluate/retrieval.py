"""Retrieval: queries against a gallery, ranked by cosine (METHOD: kNN / retrieval)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

BLOCK = 256


class Retrieval(NamedTuple):
    """Shares from 0 to 1; a query without any relevant gallery entry counts as 0."""

    top1: float
    recall_at_k: float
    mean_average_precision: float


def retrieval(gallery: Tensor, gallery_labels: Tensor, queries: Tensor, query_labels: Tensor, *, k: int) -> Retrieval:
    """1-NN top-1, recall at k (a relevant entry among the first k) and mean average precision.

    ``gallery`` (n, F), ``queries`` (q, F); memory is bounded by blocks of queries.
    """
    gallery = normalize(gallery, dim=1)
    ranks = torch.arange(1, len(gallery) + 1, device=gallery.device, dtype=torch.float64)
    top1 = recall = precision = 0.0
    for block, labels in zip(queries.split(BLOCK), query_labels.split(BLOCK), strict=True):
        order = (normalize(block, dim=1) @ gallery.T).argsort(dim=1, descending=True, stable=True)
        relevant = gallery_labels[order] == labels[:, None]  # (block, n)
        top1 += float(relevant[:, 0].sum())
        recall += float(relevant[:, :k].any(dim=1).sum())
        precision_at = relevant.cumsum(dim=1) / ranks  # (block, n)
        average = (precision_at * relevant).sum(dim=1) / relevant.sum(dim=1).clamp_min(1)
        precision += float(average.sum())
    count = len(queries)
    return Retrieval(top1 / count, recall / count, precision / count)
