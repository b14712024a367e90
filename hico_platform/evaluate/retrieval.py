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
    ``average_precisions``. Memory beyond the features: about 25 bytes for each of ``RANKED_PAIRS``, and what the
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
        keys = _ranking_keys(prefilter.cosines(queries[block]).cosines)  # (b, n)
        parts, start = [], 0
        for label, count in zip(*query_labels[block].unique_consecutive(return_counts=True), strict=True):
            part = slice(start, start + int(count))
            start = part.stop
            parts.append((part, keys[part][:, gallery_labels == label]))  # (b of the class, m)
        _sort_rows(keys)
        for part, relevant in parts:
            _sort_rows(relevant)
            ranks = keys.shape[1] - torch.searchsorted(keys[part], relevant)  # from the last one's to the first one's
            retrieved = torch.arange(relevant.shape[1], 0, -1, dtype=torch.float64, device=ranks.device)
            averages[block[part]] = (retrieved / ranks).sum(dim=1) / max(1, relevant.shape[1])
    return averages


def _ranking_keys(cosines: Tensor) -> Tensor:
    """Numbers (b, n) int64 that order as the cosines (b, n) do, equal ones by descending index: no two are equal."""
    bits = cosines.add_(0.0).view(torch.int32)  # minus zero is zero
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # the bits of negative numbers grow as these fall
    count = cosines.shape[1]
    return (ordered.long() << 32).add_(torch.arange(count - 1, -1, -1, device=cosines.device))


def _sort_rows(keys: Tensor) -> None:
    """Each row in ascending order, in place; NumPy's sort uses a CPU's vector instructions where PyTorch's does not."""
    if keys.device.type != "cpu":
        keys.copy_(keys.sort(dim=1).values)
        return
    parts = np.array_split(keys.numpy(), torch.get_num_threads())
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda part: part.sort(axis=1), parts))
