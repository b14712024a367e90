"""Retrieval: queries against a gallery, ranked by cosine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hico_platform.evaluate.knn import nearest
from hico_platform.evaluate.knn_prefilter import Float32Prefilter

RANKED_PAIRS = 2**24  # pairs of a query and a gallery row that are ranked at a time


class Retrieval(NamedTuple):
    """Shares from 0 to 1; a query without any relevant gallery entry counts as 0."""

    top1: float
    recall_at_k: float
    mean_average_precision: float


def retrieval(gallery: Tensor, gallery_labels: Tensor, queries: Tensor, query_labels: Tensor, *, k: int) -> Retrieval:
    """1-NN top-1, recall at k (a relevant entry among the first k) and mean average precision.

    ``gallery`` (n, F), ``queries`` (q, F). The first k are the exact neighbours; the precision is that of
    ``average_precisions``. Memory beyond the features: about 10 bytes for each of ``RANKED_PAIRS``, and what the
    neighbours take.
    """
    hits = gallery_labels[nearest(gallery, queries, k=max(1, k))] == query_labels[:, None]  # (q, k)
    averages = average_precisions(gallery, gallery_labels, queries, query_labels)
    return Retrieval(
        top1=float(hits[:, 0].double().mean()),
        recall_at_k=float(hits[:, :k].any(dim=1).double().mean()),
        mean_average_precision=float(averages.mean()),
    )


def average_precisions(gallery: Tensor, gallery_labels: Tensor, queries: Tensor, query_labels: Tensor) -> Tensor:
    """The average precision (q,) float64 of each query over the whole ranking; 0 where no gallery row is relevant.

    Ranks are those of float32 cosines, equal ones by index.
    """
    prefilter = Float32Prefilter(gallery)
    rows = max(1, RANKED_PAIRS // len(gallery))
    averages = torch.zeros(len(queries), dtype=torch.float64, device=gallery.device)
    # In the order of classes: what is relevant is the same for neighbours in a block.
    for block in query_labels.argsort(stable=True).split(rows):
        cosines = prefilter.cosines(queries[block]).cosines  # (b, n)
        ranked, start = _ascending(cosines), 0
        for label, count in zip(*query_labels[block].unique_consecutive(return_counts=True), strict=True):
            part = slice(start, start + int(count))
            start = part.stop
            relevant = (gallery_labels == label).nonzero()[:, 0]
            if len(relevant):
                averages[block[part]] = _of_class(cosines[part], ranked[part], relevant)
    return averages


def _of_class(cosines: Tensor, ranked: Tensor, relevant: Tensor) -> Tensor:
    """(b,) of cosines (b, n): the mean, over the columns ``relevant`` (m,), of the precision at the rank of each.

    ``ranked`` are the same cosines in ascending order, without their indices, which is several times quicker; where
    some are equal, indices decide.
    """
    wanted = _ascending(cosines[:, relevant]).flip(1).contiguous()
    not_above = torch.searchsorted(ranked, wanted, right=True)
    ranks = cosines.shape[1] - not_above + 1
    equal = (not_above - torch.searchsorted(ranked, wanted) > 1).any(dim=1)
    if bool(equal.any()):
        order = cosines[equal].argsort(dim=1, descending=True, stable=True)
        places = torch.empty_like(order).scatter_(
            1, order, torch.arange(1, order.shape[1] + 1).to(order).expand_as(order)
        )
        ranks[equal] = places[:, relevant].sort(dim=1).values
    retrieved = torch.arange(1, len(relevant) + 1, dtype=torch.float64, device=ranks.device)
    return (retrieved / ranks).mean(dim=1)


def _ascending(values: Tensor) -> Tensor:
    """Each row (b, n) sorted; NumPy's sort uses a CPU's vector instructions where PyTorch's does not."""
    if values.device.type != "cpu":
        return values.sort(dim=1).values
    ordered = values.numpy().copy()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(lambda part: part.sort(axis=1), np.array_split(ordered, torch.get_num_threads())))
    return torch.from_numpy(ordered)
