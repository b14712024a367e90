"""Every quick downstream task of an encoder or of the poses themselves, as a retraining publishes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hico_platform.enums import Clusters
from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.scores import Score
from hico_platform.evaluate.tasks.linear import Linear
from hico_platform.evaluate.tasks.registry import OWN

KNOWN_AS = {"linear_released_top1": "recognition_top1"}
"""What trials, tracking and results of older versions call a score of a task."""

TRANSFERRED = {"linear_released_top1": "transfer_top1", "linear_regularised_top1": "transfer_regularised_top1"}
"""The scores of the linear probe on the target dataset, and what they are called there."""


@dataclass(frozen=True, kw_only=True)
class QuickScores:
    """Scores by name. ``persons`` int64 (q,) numbers the person of each sequence that is scored, or its ``clusters``.

    Scores on another dataset (transfer) are numbers alone: their sequences are others.
    """

    scores: Mapping[str, Score]
    persons: Tensor
    clusters: Clusters = Clusters.PERSONS

    def values(self) -> dict[str, float]:
        """The numbers alone, by name."""
        return {name: score.value for name, score in self.scores.items()}

    def parts(self) -> dict[str, npt.NDArray[np.float32]]:
        """Each sequence's part, float32 (q,), of the scores that are means over sequences."""
        return {
            name: score.per_sequence.float().numpy()
            for name, score in self.scores.items()
            if score.per_sequence is not None
        }


def without_target(evaluated: Evaluated) -> Evaluated:
    """The same without another dataset and without other streams, for tasks that ask for features or an encoder."""
    return dataclasses.replace(evaluated, target=None, streams={})


def quick_scores(evaluated: Evaluated, *, target: Evaluated | None = None) -> QuickScores:
    """Runs every quick task of this package that features alone are enough for, and the linear probe on the target.

    Where persons are not known each sequence is one of its own. What tasks share is kept in ``evaluated`` where that
    has no target: give the ``target`` beside it to use it again.
    """
    alone = evaluated if evaluated.target is None and not evaluated.streams else without_target(evaluated)
    target = evaluated.target if target is None else target
    scores: dict[str, Score] = {}
    for task in OWN:
        if task.quick and task.missing(alone) is None:
            scores |= {KNOWN_AS.get(name, name): score for name, score in task.run(alone).scores.items()}
    if target is not None:
        probes = Linear().run(target).values()
        scores |= {name: Score(value=probes[probe]) for probe, name in TRANSFERRED.items()}
    persons = evaluated.data.eval_subjects
    return QuickScores(
        scores=scores,
        persons=torch.arange(len(evaluated.data.eval)) if persons is None else persons,
        clusters=evaluated.data.clusters,
    )
