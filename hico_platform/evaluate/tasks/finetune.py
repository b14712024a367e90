"""Fine-tuning of the whole encoder with all labels, by each recipe of ``supervised.py``."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.features import encoder_features
from hico_platform.evaluate.scores import Score, TaskResult
from hico_platform.evaluate.supervised import RECIPES, Recipe, fine_tuned


class Finetune:
    """Top-1 of a copy of the encoder, trained with a linear classifier."""

    name = "finetune"
    quick = False

    def __init__(self, *, recipes: tuple[Recipe, ...] = RECIPES) -> None:
        self._recipes = recipes

    def missing(self, evaluated: Evaluated) -> str | None:
        """An encoder."""
        return None if evaluated.encoder is not None else "an encoder"

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``finetune_cmd_top1`` and ``finetune_layer_decay_top1``. Raises TrainingError where a loss is not finite."""
        scores, predictions = scores_by_recipe(evaluated, recipes=self._recipes, task=self.name)
        return TaskResult(
            task=self.name,
            protocol="; ".join(f"{recipe.name}: {recipe.described()}" for recipe in self._recipes),
            scores=scores,
            predictions=predictions,
            facts={f"finetune_{recipe.name}_epochs": recipe.epochs for recipe in self._recipes},
        )


def scores_by_recipe(
    evaluated: Evaluated, *, recipes: tuple[Recipe, ...], task: str
) -> tuple[dict[str, Score], Tensor | None]:
    """Top-1 after each recipe, as ``finetune_cmd_top1`` of the task ``finetune``, and the first one's answers (q,)."""
    scores, predictions = {}, None
    for recipe in recipes:
        answers = fine_tuned_answers(
            evaluated, sequences=evaluated.data.train, recipe=recipe, what=f"{task} {recipe.name}"
        )
        scores[f"{task.replace('-', '_')}_{recipe.name}_top1"] = Score.mean_of(answers == evaluated.data.eval_labels)
        predictions = answers if predictions is None else predictions
    return scores, predictions


def fine_tuned_answers(evaluated: Evaluated, *, sequences: Tensor, recipe: Recipe, what: str) -> Tensor:
    """The classes (q,) that an encoder fine-tuned on ``sequences`` (n,) gives the sequences to score on.

    ``what`` is told with the progress.
    """
    data, encoder = evaluated.data, evaluated.encoder
    if encoder is None:
        raise TypeError("an encoder is missing")
    classifier = fine_tuned(
        encoder,
        views=data.views,
        sequences=sequences,
        labels=data.labels[sequences],
        classes=data.classes,
        recipe=recipe,
        seed=evaluated.seed,
        alive=data.alive,
        progress=partial(evaluated.progress, what),
    )
    features = encoder_features(
        classifier.encoder,
        views=data.views,
        indices=data.eval,
        centre_crop=evaluated.config.centre_crop,
        alive=data.alive,
    )
    return classifier.head(features).argmax(dim=1)  # type: ignore[no-any-return]
