"""Transfer: the encoder of one dataset on another one, with other classes, whose sequences train and score.

A target in another layout is mapped to the encoder's before (``data/store_for_encoder.py``).
"""

from __future__ import annotations

import dataclasses

from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.regularised import protocol
from hico_platform.evaluate.scores import Score, TaskResult
from hico_platform.evaluate.supervised import RECIPES, Recipe
from hico_platform.evaluate.tasks.finetune import scores_by_recipe

_TARGET = "a target dataset"


class Transfer:
    """Linear probes on the target's features."""

    name = "transfer"
    quick = True

    def missing(self, evaluated: Evaluated) -> str | None:
        """A target."""
        return None if evaluated.target is not None else _TARGET

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``transfer_released_top1`` and ``transfer_regularised_top1``; the predictions are those of the latter."""
        target = _target(evaluated)
        labels, config, probe = target.data.eval_labels, target.config, target.regularised
        predictions = probe.logits.argmax(dim=1)
        return TaskResult(
            task=self.name,
            protocol=f"linear probes on another dataset; released: SGD, learning rate {config.linear_learning_rate:g}, "
            f"batch {config.linear_batch_size}, {config.linear_epochs} epochs; regularised: {protocol(probe.chosen)}",
            scores={
                "transfer_released_top1": Score.mean_of(target.released_logits.argmax(dim=1) == labels),
                "transfer_regularised_top1": Score.mean_of(predictions == labels),
            },
            predictions=predictions,
            facts={"transfer_c": probe.chosen.c},
            on_target=True,
        )


class TransferFinetune:
    """The encoder, fine-tuned on the target by each recipe of ``supervised.py``."""

    name = "transfer-finetune"
    quick = False

    def __init__(self, *, recipes: tuple[Recipe, ...] = RECIPES) -> None:
        self._recipes = recipes

    def missing(self, evaluated: Evaluated) -> str | None:
        """A target and an encoder."""
        if evaluated.target is None:
            return _TARGET
        return None if evaluated.target.encoder is not None else "an encoder"

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``transfer_finetune_cmd_top1`` and ``transfer_finetune_layer_decay_top1``.

        Raises:
            TrainingError: a loss is not finite.
        """
        target = dataclasses.replace(_target(evaluated), seed=evaluated.seed, progress=evaluated.progress)
        scores, predictions = scores_by_recipe(target, recipes=self._recipes, task=self.name)
        return TaskResult(
            task=self.name,
            protocol="on another dataset, " + "; ".join(f"{one.name}: {one.described()}" for one in self._recipes),
            scores=scores,
            predictions=predictions,
            on_target=True,
        )


def _target(evaluated: Evaluated) -> Evaluated:
    if evaluated.target is None:
        raise TypeError("a target is missing")
    return evaluated.target
