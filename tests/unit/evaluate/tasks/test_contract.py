"""What every downstream task keeps to; each one of the registry runs through these."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from hico_platform.config.trial import EvaluationConfig
from hico_platform.enums import Stream
from hico_platform.evaluate.data import Evaluated, of_encoder, of_raw_pose
from hico_platform.evaluate.supervised import RECIPES
from hico_platform.evaluate.tasks import registry
from hico_platform.evaluate.tasks.base import EvaluationTask
from hico_platform.evaluate.tasks.finetune import Finetune
from hico_platform.evaluate.tasks.semi_supervised import SemiFinetune
from hico_platform.evaluate.tasks.transfer import TransferFinetune
from tests.handmade import handmade_data, handmade_encoder, points

POINTS = points(classes=4, train=80, held_out=40, seed=1)
CONFIG = EvaluationConfig(linear_epochs=2, linear_batch_size=64)
SHORT = tuple(dataclasses.replace(recipe, epochs=2, warm_up_epochs=0) for recipe in RECIPES)
TASKS: dict[str, EvaluationTask] = registry.tasks() | {
    task.name: task
    for task in (Finetune(recipes=SHORT), TransferFinetune(recipes=SHORT), SemiFinetune(recipes=SHORT, draws=2))
}
"""Those of the registry, the slow ones with small settings."""


def evaluated() -> Evaluated:
    """Handmade features of an encoder, with persons."""
    data, _ = handmade_data(POINTS)
    data = dataclasses.replace(data, subjects=torch.arange(len(data.labels)) % 7)
    target = of_encoder(handmade_encoder(), data=data, config=CONFIG)
    given = of_encoder(handmade_encoder(), data=data, config=CONFIG, target=target)
    streams = {}
    for stream in (Stream.BONE, Stream.MOTION):
        other, views = handmade_data(POINTS)
        views.stream = stream
        streams[stream.value] = of_encoder(handmade_encoder(), data=other, config=CONFIG)
    return dataclasses.replace(given, streams=streams)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_scores_are_means_of_what_each_sequence_gives(task: EvaluationTask) -> None:
    given = evaluated()
    if task.missing(given):
        pytest.skip(f"needs {task.missing(given)}, which its own tests have")
    result = task.run(given)
    assert result.task == task.name
    assert result.protocol
    assert result.scores
    for name, score in result.scores.items():
        assert 0 <= score.value <= 1, name
        if score.per_sequence is not None:
            assert score.per_sequence.shape == (len(POINTS.eval),)
            assert score.per_sequence.dtype == torch.float64
            assert float(score.per_sequence.mean()) == pytest.approx(score.value)
    if result.predictions is not None:
        assert result.predictions.shape == (len(POINTS.eval),)
    assert task.run(given).values() == result.values(), "the same input gives the same scores"


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_a_task_says_whether_the_poses_themselves_are_enough(task: EvaluationTask) -> None:
    data, _ = handmade_data(POINTS)
    raw = of_raw_pose(data=data, config=CONFIG)
    if task.missing(raw) is None:
        assert task.run(raw).scores
    else:
        assert not task.missing(raw).endswith("."), "a phrase: 'an encoder'"
