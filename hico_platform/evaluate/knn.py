"""Exact nearest neighbours by cosine, in blocks of bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from hico_platform.evaluate.knn_prefilter import Prefilter, choose_prefilter, norms_of

BLOCK_PAIRS = 2**26  # pairs of a query and a gallery row in memory at a time
BLOCK_QUERIES = 2048
_EXACT_PAIRS = 256


def nearest(
    gallery: Tensor,
    queries: Tensor,
    *,
    k: int = 1,
    prefilter: Prefilter | None = None,
    apart: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Indices (q, k) of each query's k most similar gallery rows by cosine, the most similar first.

    ``gallery`` (n, F) and ``queries`` (q, F) need no normalisation; a row without a direction (zeros, or a number that
    is not finite) has the cosine 0 with all. Cosines are decided in float64 and equal ones go to the lower index: the
    answer depends neither on the blocks nor on the ``prefilter`` that rules out the rest. Memory beyond the features:
    10 bytes for each of ``BLOCK_PAIRS``, and a quarter of the gallery where int8 is used; no copy of it is normalised.

    ``apart`` are groups, int64 (n,) of the gallery and (q,) of the queries: no query is given a row of its own group.
    Each query needs k rows of other groups.
    """
    k = min(k, len(gallery))
    blocks = [torch.empty((0, k), dtype=torch.int64, device=gallery.device)]
    if len(queries):
        prefilter = prefilter or choose_prefilter(gallery, len(queries))
        rows = max(1, min(BLOCK_QUERIES, BLOCK_PAIRS // len(gallery)))
        groups, of_queries = apart or (None, torch.zeros(len(queries)))
        blocks = [
            _nearest_of_block(gallery, block, k, prefilter, None if groups is None else groups == own[:, None])
            for block, own in zip(queries.split(rows), of_queries.split(rows), strict=True)
        ]
    return torch.cat(blocks)


def knn_predict(gallery: Tensor, gallery_labels: Tensor, queries: Tensor, *, k: int = 1) -> Tensor:
    """Labels (q,): the one that most of the k nearest gallery rows have, of equally frequent ones the lowest."""
    return vote(gallery_labels[nearest(gallery, queries, k=k)])


def vote(labels: Tensor) -> Tensor:
    """The label (q,) that most of each query's neighbours (q, k) have; of equally frequent ones the lowest."""
    votes = labels.new_zeros((len(labels), int(labels.max()) + 1 if labels.numel() else 1))
    return votes.scatter_add_(1, labels, torch.ones_like(labels)).argmax(dim=1)


def knn_top1(gallery: Tensor, gallery_labels: Tensor, queries: Tensor, query_labels: Tensor, *, k: int = 1) -> float:
    """Share of queries whose k nearest gallery rows vote for their label."""
    return float((knn_predict(gallery, gallery_labels, queries, k=k) == query_labels).double().mean())


def _nearest_of_block(
    gallery: Tensor, queries: Tensor, k: int, prefilter: Prefilter, excluded: Tensor | None
) -> Tensor:
    """Indices (b, k) of one block of queries (b, F), none of them a pair that is ``excluded``, bool (b, n).

    Pairs whose approximate cosine lies below the k-th best by more than its error are ruled out, and float64 decides
    the rest.
    """
    queries = queries.to(torch.promote_types(queries.dtype, torch.float32))
    cosines, error = prefilter.cosines(queries)
    if excluded is not None:
        cosines.masked_fill_(excluded, -torch.inf)
    # A single best comes several times quicker from max than from topk.
    best = cosines.max(dim=1, keepdim=True).indices if k == 1 else cosines.topk(k, dim=1).indices
    row = torch.arange(len(queries), device=gallery.device)
    of_best = _exact_cosines(gallery, queries, row.repeat_interleave(k), best.flatten())
    floor = of_best.view(-1, k).amin(dim=1)
    mask = cosines >= (floor[:, None] - error).float()
    rows, columns = mask.scatter_(1, best, True).nonzero().unbind(dim=1)  # (p,) pairs that are left
    del cosines, mask
    refined = prefilter.refine(queries, rows, columns)
    if refined is not None:
        keep = (refined.cosines >= floor[rows] - refined.error) | (columns[:, None] == best[rows]).any(dim=1)
        rows, columns = rows[keep], columns[keep]
    counts = rows.bincount(minlength=len(queries))
    values = torch.zeros(len(rows), dtype=torch.float64, device=gallery.device)
    # Pairs are in the order of their places, so those whose cosine is known are found by bisection.
    known = torch.searchsorted(rows * len(gallery) + columns, (row[:, None] * len(gallery) + best).flatten())
    values[known] = of_best
    undecided = torch.ones_like(rows, dtype=torch.bool)
    undecided[known] = False
    values[undecided] = _exact_cosines(gallery, queries, rows[undecided], columns[undecided])
    # By row, then by cosine; a stable order keeps the lower index first among equals.
    order = values.argsort(descending=True, stable=True)
    order = order[rows[order].argsort(stable=True)]
    first = counts.cumsum(0) - counts
    return columns[order[first[:, None] + torch.arange(k, device=gallery.device)]]


def _exact_cosines(gallery: Tensor, queries: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Cosines (p,) in float64 of queries ``rows`` (p,) with gallery rows ``columns`` (p,).

    Always as many pairs at a time, the last ones padded: a sum's order, and with it the last bit, may depend on the
    shape, and equal rows have to come out equal.
    """
    parts = [torch.empty(0, dtype=torch.float64, device=gallery.device)]
    for row, column in zip(rows.split(_EXACT_PAIRS), columns.split(_EXACT_PAIRS), strict=True):
        padding = (0, _EXACT_PAIRS - len(row))
        left, right = queries[pad(row, padding)].double(), gallery[pad(column, padding)].double()  # (p, F)
        (left_norms, left_has_direction), (right_norms, right_has_direction) = norms_of(left), norms_of(right)
        cosines = (left * right).sum(dim=1) / left_norms / right_norms
        parts.append(cosines.where(left_has_direction & right_has_direction, 0.0)[: len(row)])
    return torch.cat(parts)
