"""Retrieval: queries against a gallery, ranked by cosine."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hico_platform.evaluate.knn import nearest
from hico_platform.evaluate.knn_prefilter import Float32Prefilter

RANKED_PAIRS = 2**23  # pairs of a query and a gallery row that are ranked at a time


class Retrieval(NamedTuple):
    """Shares from 0 to 1; a query without any relevant gallery entry counts as 0."""

    top1: float
    recall_at_k: float
    mean_average_precision: float


def retrieval(gallery: Tensor, gallery_labels: Tensor, queries: Tensor, query_labels: Tensor, *, k: int) -> Retrieval:
    """1-NN top-1, recall at k (a relevant entry among the first k) and mean average precision.

    ``gallery`` (n, F), ``queries`` (q, F). The first k are the exact neighbours; the ranks of all the others, for the
    precision, are those of float32 cosines, equal ones by index. Memory beyond the features: about 25 bytes for each
    of ``RANKED_PAIRS``, and what the neighbours take.
    """
    hits = gallery_labels[nearest(gallery, queries, k=max(1, k))] == query_labels[:, None]  # (q, k)
    prefilter = Float32Prefilter(gallery)
    rows = max(1, RANKED_PAIRS // len(gallery))
    averages = []
    for block, labels in zip(queries.split(rows), query_labels.split(rows), strict=True):
        order = prefilter.cosines(block).cosines.argsort(dim=1, descending=True, stable=True)
        relevant = gallery_labels[order] == labels[:, None]  # (b, n)
        averages.append(_average_precision(relevant))
    return Retrieval(
        top1=float(hits[:, 0].double().mean()),
        recall_at_k=float(hits[:, :k].any(dim=1).double().mean()),
        mean_average_precision=float(torch.cat(averages).mean()),
    )


def _average_precision(relevant: Tensor) -> Tensor:
    """(b,) of ranked rows (b, n): the mean, over a row's relevant entries, of the precision at each."""
    row, rank = relevant.nonzero().unbind(dim=1)
    counts = row.bincount(minlength=len(relevant))
    first = counts.cumsum(0) - counts
    retrieved = torch.arange(1, len(row) + 1, device=row.device) - first[row]
    total = torch.zeros(len(relevant), dtype=torch.float64, device=row.device)
    return total.index_add_(0, row, retrieved / (rank + 1).double()) / counts.clamp_min(1)
