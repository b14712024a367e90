"""Fine-tuning as a task: it reaches what a probe does not."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import torch
from torch import nn

from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import of_encoder, of_raw_pose
from hico_platform.evaluate.supervised import CMD, LAYER_DECAY
from hico_platform.evaluate.tasks.finetune import Finetune
from hico_platform.model.encoder import HierarchicalEncoder, Tokens
from tests.handmade import WIDTH, Points, handmade_data, sklearn_regularised

CONFIG = EvaluationConfig()


class Blind(nn.Module):
    """One layer that does not look at the first number of a pose."""

    feature_width = 6

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(self.feature_width, WIDTH, generator=generator)
        weight[:, 0] = 0
        self.weight = nn.Parameter(weight)

    def forward(self, tokens: Tokens) -> SimpleNamespace:
        return SimpleNamespace(instance=lambda: torch.tanh(tokens.temporal.flatten(1) @ self.weight.T))


def told_by_the_first_number() -> Points:
    """Two classes, plus and minus 2 in the first number; the others are noise."""
    random = np.random.default_rng(0)
    labels = random.integers(2, size=300)
    features = random.normal(size=(300, WIDTH)) * 0.3
    features[:, 0] = labels * 4 - 2
    features = features.astype(np.float32).astype(np.float64)
    return Points(train=features[:200], train_labels=labels[:200], eval=features[200:], eval_labels=labels[200:])


def test_an_encoder_learns_what_it_did_not_see() -> None:
    points, encoder = told_by_the_first_number(), cast(HierarchicalEncoder, Blind())
    data, views = handmade_data(points)
    told: list[tuple[str, int, int]] = []
    evaluated = replace(of_encoder(encoder, data=data, config=CONFIG), progress=lambda *at: told.append(at))
    before = copy.deepcopy(encoder.state_dict())
    recipes = (
        replace(CMD, epochs=16, learning_rate=0.1),
        replace(LAYER_DECAY, epochs=16, learning_rate=0.05),
    )
    task = Finetune(recipes=recipes)
    assert task.missing(evaluated) is None
    result = task.run(evaluated)
    assert result.values() == {"finetune_cmd_top1": 1.0, "finetune_layer_decay_top1": 1.0}
    assert result.predictions is not None
    assert result.predictions.tolist() == points.eval_labels.tolist()
    features = replace(points, train=evaluated.features.train.numpy(), eval=evaluated.features.eval.numpy())
    assert sklearn_regularised(features, c=1.0).score(features.eval, points.eval_labels) < 0.7
    assert torch.equal(encoder.state_dict()["weight"], before["weight"])
    assert told[0] == ("finetune cmd", 1, 16)
    assert told[-1] == ("finetune layer_decay", 16, 16)
    assert views.shares == {0.95}


def test_poses_without_an_encoder_cannot_be_fine_tuned() -> None:
    data, _ = handmade_data(told_by_the_first_number())
    assert Finetune().missing(of_raw_pose(data=data, config=CONFIG)) == "an encoder"
