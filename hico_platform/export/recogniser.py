"""What recognises actions by an encoder's features: its labelled training sequences, and a linear probe on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from hico_platform.errors import Problem, UsageError
from hico_platform.evaluate import regularised
from hico_platform.evaluate.knn import nearest

MOST_FLOAT32_BYTES = 2**28
"""A gallery up to this size, 256 MiB, keeps float32; a larger one is kept as float16, at half the size."""
MOST_GALLERY_BYTES = 2**30
"""The largest gallery, 1 GiB; of more training sequences an even share of each class is kept."""


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A training sequence near a recording: its name and class, and its cosine distance, from 0 (same) to 2."""

    name: str
    label: str
    distance: float


@dataclass(frozen=True, kw_only=True)
class Recogniser:
    """The labelled training sequences of an encoder, and a linear probe of their features.

    Args:
        class_names: the classes by label.
        names: of the sequences in the gallery, (n,).
        gallery: their features, float32 or float16 (n, 2*G*D).
        labels: their classes, int64 (n,).
        weight: of the probe, float32 (classes, 2*G*D), for features that are not normalised.
        bias: of the probe, float32 (classes,); -inf for a class without a training sequence.
        sequences: how many labelled training sequences there were; the gallery has no more.
        probe: how the probe was trained, in words.
    """

    class_names: tuple[str, ...]
    names: tuple[str, ...]
    gallery: Tensor
    labels: Tensor
    weight: Tensor
    bias: Tensor
    sequences: int
    probe: str = ""

    def neighbours(self, features: npt.NDArray[np.float32], *, k: int = 5) -> list[list[Neighbour]]:
        """The k sequences of the gallery with the highest cosine to each of the features (n, 2*G*D).

        The most similar comes first, and of equally similar ones the first of the gallery. There are fewer than ``k``
        where the gallery has fewer.

        Raises:
            UsageError: ``k`` is below 1.
        """
        if k < 1:
            raise UsageError(Problem(field="k", rule="at least 1", value=k, remedy="give the number of neighbours"))
        queries = torch.from_numpy(np.asarray(features, np.float32))
        found = nearest(self.gallery.float(), queries, k=k)
        return [self._neighbours(query, rows) for query, rows in zip(queries, found, strict=True)]

    def _neighbours(self, query: Tensor, rows: Tensor) -> list[Neighbour]:
        """The rows (k,) of the gallery as neighbours of one feature (2*G*D,)."""
        distances = 1 - F.cosine_similarity(self.gallery[rows].double(), query.double()[None], dim=1)
        return [
            Neighbour(name=self.names[row], label=self.class_names[label], distance=distance)
            for row, label, distance in zip(
                rows.tolist(), self.labels[rows].tolist(), distances.clamp(0, 2).tolist(), strict=True
            )
        ]

    def probabilities(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """The probability (n, classes) of each class by the probe, for features (n, 2*G*D)."""
        queries = torch.from_numpy(np.asarray(features, np.float32))
        scores = queries.double() @ self.weight.double().T + self.bias.double()
        found: npt.NDArray[np.float64] = scores.softmax(dim=1).numpy()
        return found


def gallery_rows(labels: Tensor, *, width: int) -> tuple[Tensor, torch.dtype]:
    """Which of the sequences with these labels (n,) a gallery keeps, int64 ascending, and in which type.

    As many as fit, in the same proportion of each class, evenly over the order of the sequences.
    """
    dtype = torch.float32 if len(labels) * width * 4 <= MOST_FLOAT32_BYTES else torch.float16
    most = max(1, MOST_GALLERY_BYTES // (width * dtype.itemsize))
    if len(labels) <= most:
        return torch.arange(len(labels)), dtype
    by_class = labels.cpu().argsort(stable=True)
    even = torch.arange(most) * len(labels) // most
    return by_class[even].sort().values, dtype


def fit_recogniser(
    features: Tensor,
    labels: Tensor,
    *,
    names: Sequence[str],
    class_names: Sequence[str],
    subjects: Tensor | None,
    seed: int,
) -> Recogniser:
    """The recogniser of labelled training sequences.

    Args:
        features: of the sequences, float32 (n, 2*G*D).
        labels: their classes, int64 (n,), none below 0.
        names: their names.
        class_names: the classes by label.
        subjects: their persons, int64 (n,), between which the probe's regularisation is validated; None if unknown.
        seed: of what the probe draws.
    """
    rows, dtype = gallery_rows(labels, width=features.shape[1])
    present, own = labels.unique(return_inverse=True)  # a class without sequences has no best bias
    weight = torch.zeros(len(class_names), features.shape[1])
    bias = torch.full((len(class_names),), -torch.inf)
    bias[present.cpu()] = 0.0
    probe = "one class alone"
    if len(present) > 1:
        chosen = regularised.choose_c(features, own, classes=len(present), subjects=subjects, seed=seed)
        fitted = regularised.fit(features, own, classes=len(present), c=chosen.c)
        weight[present.cpu()] = fitted.weight.T.to("cpu", torch.float32)
        bias[present.cpu()] = fitted.bias.to("cpu", torch.float32)
        probe = regularised.protocol(chosen)
    return Recogniser(
        class_names=tuple(class_names),
        names=tuple(names[row] for row in rows.tolist()),
        gallery=features[rows.to(features.device)].to("cpu", dtype).contiguous(),
        labels=labels.cpu()[rows].contiguous(),
        weight=weight,
        bias=bias,
        sequences=len(labels),
        probe=probe,
    )
