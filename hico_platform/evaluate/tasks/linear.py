"""Linear probes on frozen features, in two protocols."""

from __future__ import annotations

from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.regularised import protocol
from hico_platform.evaluate.scores import Score, TaskResult


class Linear:
    """``released``: the SGD probe of the release. ``regularised``: logistic regression, its C by cross-validation."""

    name = "linear"
    quick = True

    def missing(self, evaluated: Evaluated) -> str | None:
        """Nothing: features are enough."""
        return None

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``linear_released_top1`` and ``linear_regularised_top1``; the predictions are those of the latter."""
        data, config, probe = evaluated.data, evaluated.config, evaluated.regularised
        predictions = probe.logits.argmax(dim=1)
        released = evaluated.released_logits.argmax(dim=1)
        return TaskResult(
            task=self.name,
            protocol=(
                f"released: SGD, learning rate {config.linear_learning_rate:g}, batch {config.linear_batch_size}, "
                f"{config.linear_epochs} epochs, the last one counts; regularised: {protocol(probe.chosen)}"
            ),
            scores={
                "linear_released_top1": Score.mean_of(released == data.eval_labels),
                "linear_regularised_top1": Score.mean_of(predictions == data.eval_labels),
            },
            predictions=predictions,
            facts={"c": probe.chosen.c, "choosing_sequences": probe.chosen.rows, "folds": probe.chosen.folds},
        )
