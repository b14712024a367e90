"""Every quick downstream task of an encoder or of the poses themselves, as a retraining publishes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.linear import linear_probe_top1
from hico_platform.evaluate.retrieval import retrieval
from hico_platform.evaluate.scores import Score
from hico_platform.evaluate.tasks.registry import OWN


@dataclass(frozen=True, kw_only=True)
class QuickScores:
    """Scores by name. ``persons`` int64 (q,) numbers the person of each sequence that is scored.

    Scores on another dataset (transfer) are numbers alone: their sequences are others.
    """

    scores: Mapping[str, Score]
    persons: Tensor

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


def quick_scores(evaluated: Evaluated) -> QuickScores:
    """Runs every quick task of this package that has what it needs, and the released linear probe on the target.

    Where persons are not known each sequence is one of its own.
    """
    scores = _probe_and_retrieval(evaluated)
    for task in OWN:
        if task.quick and task.missing(evaluated) is None:
            scores |= task.run(evaluated).scores
    if evaluated.target is not None:
        scores["transfer_top1"] = _released_probe(evaluated.target)
    persons = evaluated.data.eval_subjects
    return QuickScores(scores=scores, persons=torch.arange(len(evaluated.data.eval)) if persons is None else persons)


def _probe_and_retrieval(evaluated: Evaluated) -> dict[str, Score]:
    data, features, k = evaluated.data, evaluated.features, evaluated.config.recall_at
    found = retrieval(features.train, data.train_labels, features.eval, data.eval_labels, k=k)
    return {
        "recognition_top1": _released_probe(evaluated),
        "retrieval_top1": Score(value=found.top1),
        f"retrieval_recall_at_{k}": Score(value=found.recall_at_k),
        "retrieval_map": Score(value=found.mean_average_precision),
    }


def _released_probe(evaluated: Evaluated) -> Score:
    data, features, config = evaluated.data, evaluated.features, evaluated.config
    return Score(
        value=linear_probe_top1(
            features.train,
            data.train_labels,
            features.eval,
            data.eval_labels,
            classes=data.classes,
            epochs=config.linear_epochs,
            batch_size=config.linear_batch_size,
            learning_rate=config.linear_learning_rate,
            seed=evaluated.seed,
            alive=data.alive,
        )
    )
