"""k nearest neighbours by cosine: each sequence takes the label that most of its nearest training sequences have."""

from __future__ import annotations

import torch

from hico_platform.evaluate.data import NEAREST, Evaluated
from hico_platform.evaluate.knn import vote
from hico_platform.evaluate.scores import Score, TaskResult

NEIGHBOURS = (1, 5, 9, NEAREST)


class Knn:
    """kNN for each k of ``NEIGHBOURS``, and the mean over them."""

    name = "knn"
    quick = True

    def missing(self, evaluated: Evaluated) -> str | None:
        """Nothing: features are enough."""
        return None

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``knn_top1`` (k = 1), ``knn_top1_k5`` and so on, and ``knn_mean``."""
        data = evaluated.data
        labels = data.train_labels[evaluated.neighbours]  # (q, NEAREST)
        answers = {k: vote(labels[:, :k]) for k in NEIGHBOURS}
        right = {k: answer == data.eval_labels for k, answer in answers.items()}
        scores = {"knn_top1" if k == 1 else f"knn_top1_k{k}": Score.mean_of(hits) for k, hits in right.items()}
        scores["knn_mean"] = Score.mean_of(torch.stack([hits.double() for hits in right.values()]).mean(dim=0))
        return TaskResult(
            task=self.name,
            protocol=f"kNN by cosine, k = {', '.join(map(str, NEIGHBOURS))}",
            scores=scores,
            predictions=answers[1],
        )
