"""What a retraining publishes of an encoder or of raw poses: every quick task, under the names that readers know."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import Evaluated, of_encoder, of_raw_pose
from hico_platform.evaluate.quick_tasks import quick_scores
from tests.handmade import handmade_data, handmade_encoder, points, sklearn_knn, sklearn_linear, sklearn_map

SOURCE = points(classes=4, train=300, held_out=250, seed=0, noise=0.8)
TARGET = points(classes=3, train=200, held_out=150, seed=1, noise=0.4)
CONFIG = EvaluationConfig(centre_crop=0.8, linear_epochs=300)


def evaluated(*, raw: bool, transfer: bool = True) -> Evaluated:
    (source, _), (target, _) = handmade_data(SOURCE), handmade_data(TARGET)
    source = dataclasses.replace(source, subjects=torch.arange(len(source.labels)) // 50)
    made = [
        of_raw_pose(data=data, config=CONFIG) if raw else of_encoder(handmade_encoder(), data=data, config=CONFIG)
        for data in (source, target)
    ]
    return dataclasses.replace(made[0], target=made[1] if transfer else None)


@pytest.mark.parametrize("raw", [True, False], ids=["raw pose", "encoder"])
def test_raw_poses_get_every_score_that_an_encoder_gets(raw: bool) -> None:
    found = quick_scores(evaluated(raw=raw))
    values = found.values()
    assert {
        "knn_top1", "knn_top1_k5", "knn_top1_k9", "knn_top1_k20", "knn_mean", "recognition_top1",
        "linear_regularised_top1", "retrieval_recall_at_1", "retrieval_recall_at_5", "retrieval_recall_at_10",
        "retrieval_map", "transfer_top1", "transfer_regularised_top1",
    } <= set(values)  # fmt: skip
    assert values["knn_top1"] == values["retrieval_recall_at_1"] == pytest.approx(sklearn_knn(SOURCE))
    assert values["recognition_top1"] == pytest.approx(sklearn_linear(SOURCE), abs=1e-6)
    assert values["transfer_top1"] == pytest.approx(sklearn_linear(TARGET), abs=1e-6)
    assert values["retrieval_map"] == pytest.approx(sklearn_map(SOURCE), abs=1e-6)


def test_what_is_kept_of_each_sequence_gives_the_score_and_knows_its_person() -> None:
    found = quick_scores(evaluated(raw=True))
    parts, values = found.parts(), found.values()
    assert not any(name.startswith("transfer") for name in parts), "its sequences are others"
    assert {"knn_top1", "recognition_top1", "linear_regularised_top1", "retrieval_map"} <= set(parts)
    for name, each in parts.items():
        assert each.shape == (250,)
        assert each.mean(dtype=np.float64) == pytest.approx(values[name], abs=1e-6)
    assert found.persons.tolist() == (np.arange(250) // 50).tolist()


def test_without_a_target_nothing_is_transferred_and_unknown_persons_are_one_each() -> None:
    given = evaluated(raw=True, transfer=False)
    found = quick_scores(dataclasses.replace(given, data=dataclasses.replace(given.data, subjects=None)))
    assert not any(name.startswith("transfer") for name in found.scores)
    assert found.persons.tolist() == list(range(250))


def test_encoders_of_other_streams_are_no_part_of_it() -> None:
    alone = evaluated(raw=False, transfer=False)
    found = quick_scores(dataclasses.replace(alone, streams={"bone": alone, "motion": alone}))
    assert found.scores.keys() == quick_scores(alone).scores.keys()
