"""Occlusion: nothing missing is the clean score, everything missing is chance, and what is missing is found by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from hico_platform.config.trial import EvaluationConfig
from hico_platform.data.layout import KINECT_V2
from hico_platform.evaluate.data import of_encoder, of_raw_pose
from hico_platform.evaluate.scores import TaskResult
from hico_platform.evaluate.tasks.occlusion import Occlusion
from tests.handmade import FRAMES, JOINTS, handmade_data, handmade_encoder, points, sklearn_regularised

CONFIG = EvaluationConfig(linear_epochs=30, linear_batch_size=64)
POINTS = points(classes=4, train=200, held_out=300, seed=1, noise=0.2)


EVALUATED = of_encoder(handmade_encoder(), data=handmade_data(POINTS)[0], config=CONFIG, seed=3)


def run(task: Occlusion) -> TaskResult:
    return task.run(EVALUATED)


def test_nothing_missing_is_the_clean_score_and_everything_missing_is_chance() -> None:
    result = run(Occlusion(parts=(0, 2), frame_shares=(0.0, 1.0)))
    scores, chance = result.values(), 0.55
    for method in ("knn", "linear"):
        clean = scores[f"occlusion_clean_{method}_top1"]
        assert clean > 0.7
        for nothing in ("parts_0", "frames_0"):
            assert scores[f"occlusion_{nothing}_{method}_top1"] == clean
            assert result.facts[f"occlusion_{nothing}_{method}_fall"] == 0
        for everything in ("parts_2", "frames_100"):
            blind = scores[f"occlusion_{everything}_{method}_top1"]
            assert blind < chance
            assert blind in {float((POINTS.eval_labels == label).mean()) for label in range(4)}, "one answer for all"
            assert result.facts[f"occlusion_{everything}_{method}_fall"] == pytest.approx(100 * (clean - blind))


@pytest.mark.parametrize("kind", ["parts", "frames"])
def test_what_is_missing_is_missing_in_what_is_scored_alone(kind: str) -> None:
    result = run(Occlusion(parts=(1,) if kind == "parts" else (), frame_shares=(0.5,) if kind == "frames" else ()))
    name = "occlusion_parts_1" if kind == "parts" else "occlusion_frames_50"
    generator = torch.Generator().manual_seed(3)
    poses = POINTS.eval.reshape(-1, FRAMES, 1, JOINTS, 3).copy()
    if kind == "parts":  # two parts of a joint each, the arm on the left and the leg on the right
        missing = torch.rand((len(poses), 2), generator=generator).argsort(dim=1)[:, 0].numpy()
        poses[np.arange(len(poses)), :, :, missing] = 0
    else:  # one frame of two
        missing = np.minimum((torch.rand(len(poses), generator=generator) * 2).floor().int().numpy(), 1)
        poses[np.arange(len(poses)), missing] = 0
    occluded = poses.reshape(len(poses), -1)
    classifier = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(POINTS.train, POINTS.train_labels)
    assert result.values()[f"{name}_knn_top1"] == pytest.approx(classifier.score(occluded, POINTS.eval_labels))
    linear = sklearn_regularised(POINTS, c=EVALUATED.regularised.chosen.c)
    assert result.values()[f"{name}_linear_top1"] == pytest.approx(linear.score(occluded, POINTS.eval_labels))
    assert len(set(result.values().values())) == 4


def test_what_it_needs() -> None:
    data, _ = handmade_data(POINTS)
    assert Occlusion().missing(of_raw_pose(data=data, config=CONFIG)) == "an encoder"
    evaluated = of_encoder(handmade_encoder(), data=data, config=CONFIG)
    assert Occlusion().missing(evaluated) is None
    assert Occlusion(parts=(3,)).missing(evaluated) == "a layout whose joints name at least 3 parts of the body"
    whole = replace(evaluated, data=replace(data, layout=KINECT_V2))
    assert Occlusion(parts=(5,)).missing(whole) is None
    assert Occlusion().missing(replace(evaluated, data=replace(data, layout=None))) is not None
