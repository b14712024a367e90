"""Exact nearest neighbours by cosine, in blocks of bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from hico_platform.evaluate.knn_prefilter import Screen, choose_screen, norms_of

CELLS = 2**26  # pairs of a query and a gallery row in hand at a time
MOST_QUERIES = 2048
_PAIRS = 256


def nearest(gallery: Tensor, queries: Tensor, *, k: int = 1, screen: Screen | None = None) -> Tensor:
    """Indices (q, k) of each query's k most similar gallery rows by cosine, the most similar first.

    ``gallery`` (n, F) and ``queries`` (q, F) need no normalisation; a row without a direction (zeros, or a number that
    is not finite) has the cosine 0 with all. Cosines are decided in float64 and equal ones go to the lower index: the
    answer depends neither on the blocks nor on the ``screen`` that rules out the rest. Memory beyond the features:
    10 bytes for each of ``CELLS``, and a quarter of the gallery where int8 is used; no copy of it is normalised.
    """
    k = min(k, len(gallery))
    found = [torch.empty((0, k), dtype=torch.int64, device=gallery.device)]
    if len(queries):
        screen = screen or choose_screen(gallery, len(queries))
        rows = max(1, min(MOST_QUERIES, CELLS // len(gallery)))
        found = [_of_block(gallery, block, k, screen) for block in queries.split(rows)]
    return torch.cat(found)


def knn_predict(gallery: Tensor, gallery_labels: Tensor, queries: Tensor, *, k: int = 1) -> Tensor:
    """Label (q,) that most of the k nearest gallery rows have, of equally many the lowest."""
    labels = gallery_labels[nearest(gallery, queries, k=k)]  # (q, k)
    votes = labels.new_zeros((len(labels), int(gallery_labels.max()) + 1))
    return votes.scatter_add_(1, labels, torch.ones_like(labels)).argmax(dim=1)


def knn_top1(gallery: Tensor, gallery_labels: Tensor, queries: Tensor, query_labels: Tensor, *, k: int = 1) -> float:
    """Share of queries whose k nearest gallery rows vote for their label."""
    return float((knn_predict(gallery, gallery_labels, queries, k=k) == query_labels).double().mean())


def _of_block(gallery: Tensor, queries: Tensor, k: int, screen: Screen) -> Tensor:
    """Indices (b, k) for one block: what the screen's bound rules out goes, the rest is decided in float64."""
    queries = queries.to(torch.promote_types(queries.dtype, torch.float32))
    cosines, error = screen.block(queries)
    # A single best comes several times quicker from max than from topk.
    best = cosines.max(dim=1, keepdim=True).indices if k == 1 else cosines.topk(k, dim=1).indices
    row = torch.arange(len(queries), device=gallery.device)
    floor = _exact(gallery, queries, row.repeat_interleave(k), best.flatten()).view(-1, k).amin(dim=1)
    mask = cosines >= (floor[:, None] - error).float()
    rows, places = mask.scatter_(1, best, True).nonzero().unbind(dim=1)
    del cosines, mask
    better = screen.pairs(queries, rows, places)
    if better is not None:
        stay = (better.cosines >= floor[rows] - better.error) | (places[:, None] == best[rows]).any(dim=1)
        rows, places = rows[stay], places[stay]
    counts = rows.bincount(minlength=len(queries))
    values = torch.zeros(len(rows), dtype=torch.float64, device=gallery.device)
    undecided = counts[rows] > 1
    values[undecided] = _exact(gallery, queries, rows[undecided], places[undecided])
    # By row, then by cosine; a stable order keeps the lower index first among equals.
    order = values.argsort(descending=True, stable=True)
    order = order[rows[order].argsort(stable=True)]
    first = counts.cumsum(0) - counts
    return places[order[first[:, None] + torch.arange(k, device=gallery.device)]]


def _exact(gallery: Tensor, queries: Tensor, rows: Tensor, places: Tensor) -> Tensor:
    """Cosines (p,) of pairs in float64.

    Always so many pairs at a time, the last ones filled up: a sum's order, and with it the last bit, may depend on
    the shape, and equal rows have to come out equal.
    """
    found = [torch.empty(0, dtype=torch.float64, device=gallery.device)]
    for row, place in zip(rows.split(_PAIRS), places.split(_PAIRS), strict=True):
        left = queries[pad(row, (0, _PAIRS - len(row)))].double()  # (p, F)
        right = gallery[pad(place, (0, _PAIRS - len(row)))].double()
        (left_norms, left_usable), (right_norms, right_usable) = norms_of(left), norms_of(right)
        cosines = (left * right).sum(dim=1) / left_norms / right_norms
        found.append(cosines.where(left_usable & right_usable, 0.0)[: len(row)])
    return torch.cat(found)
