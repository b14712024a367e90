"""Exact nearest neighbours by cosine, in blocks of bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

BLOCK = 1024


def nearest(gallery: Tensor, queries: Tensor) -> Tensor:
    """Index (q,) of each query's most similar gallery row; of equal ones the first.

    ``gallery`` (n, F) and ``queries`` (q, F) need no normalisation.
    """
    gallery = normalize(gallery, dim=1)
    count = len(gallery)
    places = torch.arange(count, device=gallery.device)
    found = []
    for block in queries.split(BLOCK):
        similarity = normalize(block, dim=1) @ gallery.T  # (block, n)
        best = similarity.amax(dim=1, keepdim=True)
        found.append(torch.where(similarity == best, places, count).amin(dim=1))
    return torch.cat(found).clamp_max(count - 1)


def knn_top1(gallery: Tensor, gallery_labels: Tensor, queries: Tensor, query_labels: Tensor) -> float:
    """Share of queries whose nearest gallery row has their label (k = 1)."""
    return float((gallery_labels[nearest(gallery, queries)] == query_labels).double().mean())
