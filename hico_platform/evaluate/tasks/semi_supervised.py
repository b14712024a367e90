"""Semi-supervised recognition: 1, 5, 10 and 20 % of the labels, in both ways that the literature draws them.

The two ways share a name in tables but not a number: see :class:`~hico_platform.evaluate.labelled_share.Draw`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.labelled_share import Draw, draw_labelled
from hico_platform.evaluate.regularised import fit
from hico_platform.evaluate.scores import Score, TaskResult
from hico_platform.evaluate.supervised import RECIPES, Recipe
from hico_platform.evaluate.tasks.finetune import fine_tuned_answers

PERCENT = (1, 5, 10, 20)
DRAWS = 5
C = 0.1
"""Of the probe's logistic regression. It is not chosen: on MSR-Action3D, UTKinect and WMFT no other one from 0.01 to 10
was better by more than the draws vary, and cross-validation over so few labels chose worse ones."""

Learner = Callable[[Evaluated, Tensor], Tensor]
"""From what is evaluated, and positions (m,) among the training sequences that have labels, to classes (q,)."""


class Semi:
    """Linear probes on a share of the labels.

    Forty regressions: seconds on hundreds of sequences, but minutes on 40,000 of 4096 numbers, so no quick task.
    """

    name = "semi"
    quick = False

    def __init__(self, *, percent: tuple[int, ...] = PERCENT, draws: int = DRAWS) -> None:
        self._percent = percent
        self._draws = draws

    def missing(self, evaluated: Evaluated) -> str | None:
        """Enough sequences to draw from."""
        return _too_few(evaluated, self._percent)

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``semi_unstratified_1_linear_top1``, ``semi_per_class_20_linear_top1`` and so on."""
        return _result(
            evaluated,
            task=self.name,
            how=f"standardised features, L2 logistic regression, C = {C:g}",
            learners={"linear": _probed},
            percent=self._percent,
            draws=self._draws,
        )


class SemiFinetune:
    """The whole encoder, fine-tuned on a share of the labels by each recipe of ``supervised.py``."""

    name = "semi-finetune"
    quick = False

    def __init__(
        self, *, recipes: tuple[Recipe, ...] = RECIPES, percent: tuple[int, ...] = PERCENT, draws: int = DRAWS
    ) -> None:
        self._recipes = recipes
        self._percent = percent
        self._draws = draws

    def missing(self, evaluated: Evaluated) -> str | None:
        """An encoder, and enough sequences to draw from."""
        return "an encoder" if evaluated.encoder is None else _too_few(evaluated, self._percent)

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``semi_unstratified_1_finetune_cmd_top1``, ``semi_per_class_20_finetune_layer_decay_top1`` and so on.

        Raises:
            TrainingError: a loss is not finite.
        """
        learners: dict[str, Learner] = {
            f"finetune_{recipe.name}": partial(_fine_tuned, recipe=recipe) for recipe in self._recipes
        }
        return _result(
            evaluated,
            task=self.name,
            how="fine-tuning, " + "; ".join(f"{recipe.name}: {recipe.described()}" for recipe in self._recipes),
            learners=learners,
            percent=self._percent,
            draws=self._draws,
        )


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    """Draws of one protocol and share, or one list: positions among the training sequences."""

    name: str
    draws: tuple[Tensor, ...]


def _result(
    evaluated: Evaluated, *, task: str, how: str, learners: Mapping[str, Learner], percent: tuple[int, ...], draws: int
) -> TaskResult:
    """A score is the mean over draws, of each sequence too; the facts hold their deviation, in points."""
    scores: dict[str, Score] = {}
    facts: dict[str, float | int] = {}
    listed = list(_lists(evaluated) if evaluated.label_lists else _drawn(evaluated, percent=percent, draws=draws))
    rounds, done = len(learners) * sum(len(labelled.draws) for labelled in listed), 0
    for labelled in listed:
        facts[f"semi_{labelled.name}_labelled"] = len(labelled.draws[0])
        for learner, answers_of in learners.items():
            if not len(labelled.draws[0]):
                continue
            hits = []
            for number, positions in enumerate(labelled.draws):
                answers = answers_of(dataclasses.replace(evaluated, seed=evaluated.seed + number), positions)
                hits.append((answers == evaluated.data.eval_labels).double())
                done += 1
                evaluated.progress(task, done, rounds)
            score = f"semi_{labelled.name}_{learner}_top1"
            scores[score] = Score.mean_of(torch.stack(hits).mean(dim=0))
            if len(hits) > 1:
                facts[f"{score}_deviation"] = 100 * float(torch.stack(hits).mean(dim=1).std())
    drawn = (
        "labels as listed" if evaluated.label_lists else f"{draws} draws of {', '.join(map(str, percent))} % of labels"
    )
    return TaskResult(task=task, protocol=f"{drawn}; {how}", scores=scores, facts=facts)


def _drawn(evaluated: Evaluated, *, percent: tuple[int, ...], draws: int) -> Iterator[_Labelled]:
    for draw in Draw:
        for share in percent:
            yield _Labelled(
                name=f"{draw.value}_{share}",
                draws=tuple(
                    draw_labelled(
                        evaluated.data.train_labels, percent=share, draw=draw, seed=evaluated.seed, number=number
                    )
                    for number in range(draws)
                ),
            )


def _lists(evaluated: Evaluated) -> Iterator[_Labelled]:
    train = evaluated.data.train
    for name, sequences in evaluated.label_lists.items():
        yield _Labelled(name=f"list_{name}", draws=(torch.isin(train, sequences.to(train.device)).nonzero()[:, 0],))


def _too_few(evaluated: Evaluated, percent: tuple[int, ...]) -> str | None:
    fewest = -(-100 // max(percent))
    if evaluated.label_lists or len(evaluated.data.train) >= fewest:
        return None
    return f"at least {fewest} sequences to train on"


def _probed(evaluated: Evaluated, positions: Tensor) -> Tensor:
    data = evaluated.data
    labels = data.train_labels[positions]
    if len(labels.unique()) == 1:
        return labels[:1].expand(len(data.eval))
    probe = fit(evaluated.features.train[positions], labels, classes=data.classes, c=C, alive=data.alive)
    return probe.logits(evaluated.features.eval).argmax(dim=1)


def _fine_tuned(evaluated: Evaluated, positions: Tensor, *, recipe: Recipe) -> Tensor:
    # The rounds tell the progress, not the epochs of each.
    quiet = dataclasses.replace(evaluated, progress=lambda what, done, total: None)
    return fine_tuned_answers(quiet, sequences=evaluated.data.train[positions], recipe=recipe, what="semi-finetune")
