"""What a search may go by: the validation scores of a report, each with its standard error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hico_platform.config.trial import EvaluationConfig
from hico_platform.enums import Signal
from hico_platform.evaluate.data import EvalData, EvalFeatures, Evaluated
from hico_platform.evaluate.knn_subjects import knn_subjects
from hico_platform.evaluate.noise import standard_errors
from hico_platform.evaluate.retrieval import average_precisions
from hico_platform.evaluate.scores import Score
from hico_platform.evaluate.tasks.knn import Knn


@dataclass(frozen=True, kw_only=True)
class ReportedScores:
    """Scores by name, and how far each would move with other people."""

    values: dict[str, float] = field(default_factory=dict)
    standard_errors: dict[str, float] = field(default_factory=dict)

    def add(self, scores: Mapping[str, Score], *, persons: Tensor | None) -> None:
        """Adds scores of the same sequences, whose persons are int64 (q,)."""
        parts = {name: score.per_sequence for name, score in scores.items() if score.per_sequence is not None}
        errors = standard_errors(torch.stack(list(parts.values())), persons=persons)
        self.values.update({name: score.value for name, score in scores.items()})
        self.standard_errors.update(zip(parts, errors.tolist(), strict=True))


def reported_scores(
    features: EvalFeatures, *, data: EvalData, config: EvaluationConfig, signal: Signal, seed: int = 0
) -> ReportedScores:
    """kNN for every k, which share one search for neighbours, and the score of ``signal`` where it is another.

    Raises DataError for ``knn_subjects`` where all sequences are of one person.
    """
    evaluated = Evaluated(data=data, features=features, config=config, seed=seed)
    reported = ReportedScores()
    scores = dict(Knn().run(evaluated).scores)
    match signal:
        case Signal.MAP:
            scores[signal.metric] = Score.mean_of(
                average_precisions(features.train, data.train_labels, features.eval, data.eval_labels)
            )
        case Signal.LINEAR:
            scores[signal.metric] = Score.mean_of(evaluated.regularised.logits.argmax(dim=1) == data.eval_labels)
        case Signal.KNN_SUBJECTS:
            persons = all_persons(data)
            among = knn_subjects(
                torch.cat([features.train, features.eval]),
                torch.cat([data.train_labels, data.eval_labels]),
                persons=persons,
            )
            reported.add({signal.metric: among}, persons=persons)
    reported.add(scores, persons=data.eval_subjects)
    return reported


def validation_scores(evaluated: Evaluated, *, signal: Signal) -> ReportedScores:
    """What a trial of a search that goes by ``signal`` reports, of an encoder at the end of its training."""
    return reported_scores(
        evaluated.features, data=evaluated.data, config=evaluated.config, signal=signal, seed=evaluated.seed
    )


def all_persons(data: EvalData) -> Tensor:
    """The persons of the sequences to train on, then of those to score on; each sequence's own where none is known."""
    if data.train_subjects is None or data.eval_subjects is None:
        return torch.arange(len(data.train) + len(data.eval))
    return torch.cat([data.train_subjects, data.eval_subjects])
