"""Transfer scores the target's sequences, of its own classes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import Evaluated, of_encoder
from hico_platform.evaluate.supervised import CMD, fine_tuned
from hico_platform.evaluate.tasks.transfer import Transfer, TransferFinetune
from tests.handmade import handmade_data, handmade_encoder, points, sklearn_linear, sklearn_regularised

SOURCE = points(classes=4, train=100, held_out=60, seed=0)
TARGET = points(classes=3, train=200, held_out=150, seed=1, noise=0.4)
CONFIG = EvaluationConfig(linear_epochs=300)


def evaluated() -> Evaluated:
    source, target = (handmade_data(one)[0] for one in (SOURCE, TARGET))
    return of_encoder(
        handmade_encoder(),
        data=source,
        config=CONFIG,
        seed=2,
        target=of_encoder(handmade_encoder(), data=target, config=CONFIG),
    )


def test_the_probes_are_logistic_regressions_on_the_target() -> None:
    result = Transfer().run(evaluated())
    c = result.facts["transfer_c"]
    assert isinstance(c, float)
    regularised = sklearn_regularised(TARGET, c=c).predict(TARGET.eval)
    expected = {
        "transfer_released_top1": sklearn_linear(TARGET),
        "transfer_regularised_top1": float((regularised == TARGET.eval_labels).mean()),
    }
    assert result.values() == pytest.approx(expected, abs=1e-6)
    assert len({*expected.values(), sklearn_linear(SOURCE)}) == 3
    assert result.predictions is not None
    assert result.predictions.tolist() == regularised.tolist()
    score = result.scores["transfer_released_top1"]
    assert score.per_sequence is not None
    assert len(score.per_sequence) == len(TARGET.eval)
    assert result.on_target


def test_fine_tuning_is_on_the_target() -> None:
    given, recipe = evaluated(), replace(CMD, epochs=3)
    result = TransferFinetune(recipes=(recipe,)).run(given)
    target = handmade_data(TARGET)[0]
    classifier = fine_tuned(
        handmade_encoder(), views=target.views, sequences=target.train, labels=target.train_labels, classes=3,
        recipe=recipe, seed=2,
    )  # fmt: skip
    answers = classifier.head(TARGET.tensors()[2]).argmax(dim=1)
    assert result.predictions is not None
    assert torch.equal(result.predictions, answers)
    assert result.values() == {
        "transfer_finetune_cmd_top1": pytest.approx(float((answers == target.eval_labels).double().mean()))
    }
    assert result.on_target


def test_what_they_need() -> None:
    given = evaluated()
    for task in (Transfer(), TransferFinetune()):
        assert task.missing(given) is None
        assert task.missing(replace(given, target=None)) == "a target dataset"
    assert given.target is not None
    assert TransferFinetune().missing(replace(given, target=replace(given.target, encoder=None))) == "an encoder"
