"""Retrieval: training sequences ranked by cosine, the relevant ones being those of the query's class."""

from __future__ import annotations

from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.retrieval import average_precisions
from hico_platform.evaluate.scores import Score, TaskResult

RECALL_AT = (1, 5, 10)


class Retrieval:
    """Recall at each k of ``RECALL_AT``, and the mean average precision over the whole ranking."""

    name = "retrieval"
    quick = True

    def missing(self, evaluated: Evaluated) -> str | None:
        """Nothing: features are enough."""
        return None

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``retrieval_recall_at_1`` and so on, and ``retrieval_map``."""
        data, features = evaluated.data, evaluated.features
        hits = data.train_labels[evaluated.neighbours] == data.eval_labels[:, None]  # (q, NEAREST)
        scores = {f"retrieval_recall_at_{k}": Score.mean_of(hits[:, :k].any(dim=1)) for k in RECALL_AT}
        scores["retrieval_map"] = Score.mean_of(
            average_precisions(features.train, data.train_labels, features.eval, data.eval_labels)
        )
        return TaskResult(
            task=self.name,
            protocol="training sequences ranked by cosine; recall at k: one of the class is among the first k",
            scores=scores,
        )
