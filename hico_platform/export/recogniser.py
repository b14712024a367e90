"""What recognises actions by an encoder's features: its labelled training sequences, and a linear probe on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from hico_platform.errors import Problem, UsageError
from hico_platform.evaluate.knn import nearest


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
