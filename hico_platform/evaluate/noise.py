"""How far a score would move with other people: the standard error of a mean over sequences."""

from __future__ import annotations

import torch
from torch import Tensor

DRAWS = 1000


def standard_errors(per_sequence: Tensor, *, persons: Tensor | None) -> Tensor:
    """The standard errors (s,) of the means of ``per_sequence`` (s, q), by bootstrap.

    Whole persons are drawn, since the sequences of one are alike: ``persons`` int64 (q,), None where none is known. A
    few persons who happen to score alike seem to have no noise, so an error is never below that of drawing single
    sequences, which is sqrt(variance / q). The draws are the same every time.
    """
    values = per_sequence.double().cpu()
    alone = (values.var(dim=1, correction=0) / values.shape[1]).sqrt()
    if persons is None:
        return alone
    _, group = persons.cpu().unique(return_inverse=True)
    count = group.bincount()  # (p,)
    sums = torch.zeros(len(values), len(count), dtype=torch.float64).index_add_(1, group, values)  # (s, p)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(count), (DRAWS, len(count)), generator=generator)
    times = torch.zeros(DRAWS, len(count), dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(drawn.shape, dtype=torch.float64)
    )  # how often each person is drawn
    means = (sums @ times.T) / (times @ count.double())  # (s, DRAWS)
    return torch.maximum(alone, means.std(dim=1, correction=0))
