"""Semi-supervised recognition, each draw once more by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import Evaluated, of_encoder, of_raw_pose
from hico_platform.evaluate.supervised import CMD, LAYER_DECAY, fine_tuned
from hico_platform.evaluate.tasks.semi_supervised import C, Semi, SemiFinetune
from tests.handmade import handmade_data, handmade_encoder, points, sklearn_regularised

CONFIG = EvaluationConfig(linear_epochs=10, linear_batch_size=64)
POINTS = points(classes=3, train=120, held_out=150, seed=3)
RECIPES = (replace(CMD, epochs=2), replace(LAYER_DECAY, epochs=8, learning_rate=0.1))


def evaluated(**values: object) -> Evaluated:
    data, _ = handmade_data(POINTS)
    return replace(of_encoder(handmade_encoder(), data=data, config=CONFIG, seed=4), **values)


def drawn(protocol: str, percent: int, number: int) -> list[int]:
    shuffled = np.random.default_rng((4, number)).permutation(120)
    if protocol == "unstratified":
        return sorted(shuffled[: int(120 * percent / 100)].tolist())
    chosen = []
    for label in range(3):
        members = [int(i) for i in shuffled if POINTS.train_labels[i] == label]
        chosen += members[: round(len(members) * percent / 100)]
    return sorted(chosen)


def probed(rows: list[int]) -> np.ndarray:
    if len(set(POINTS.train_labels[rows])) == 1:
        return (POINTS.train_labels[rows[0]] == POINTS.eval_labels).astype(float)
    few = replace(POINTS, train=POINTS.train[rows], train_labels=POINTS.train_labels[rows])
    return (sklearn_regularised(few, c=C).predict(POINTS.eval) == POINTS.eval_labels).astype(float)


def test_a_score_is_the_mean_of_probes_on_draws() -> None:
    result = Semi(percent=(5, 20), draws=3).run(evaluated())
    for protocol in ("unstratified", "per_class"):
        for percent in (5, 20):
            hits = np.array([probed(drawn(protocol, percent, number)) for number in range(3)])
            name = f"semi_{protocol}_{percent}_linear_top1"
            score = result.scores[name]
            assert score.value == pytest.approx(hits.mean(), abs=1.5 / hits.size)  # one answer may be on the edge
            assert score.per_sequence is not None
            assert np.abs(score.per_sequence.numpy() * 3 - hits.sum(axis=0)).sum() < 1.5
            assert result.facts[f"{name}_deviation"] == pytest.approx(100 * hits.mean(axis=1).std(ddof=1), abs=0.7)
            assert result.facts[f"semi_{protocol}_{percent}_labelled"] == len(drawn(protocol, percent, 0))
    assert len(set(result.values().values())) == 4


def test_a_share_of_which_nothing_is_left_has_no_score() -> None:
    """One per cent of 120 sequences is one; of classes of 20, 40 and 60, none, none and one (0.6)."""
    result = Semi(percent=(1,), draws=2).run(evaluated())
    counts = np.bincount(POINTS.train_labels)
    assert result.facts["semi_unstratified_1_labelled"] == 1
    assert result.facts["semi_per_class_1_labelled"] == sum(round(0.01 * count) for count in counts)
    few, _ = handmade_data(points(classes=3, train=40, held_out=20, seed=0))
    nothing = Semi(percent=(1, 20), draws=2).run(of_encoder(handmade_encoder(), data=few, config=CONFIG))
    assert set(nothing.scores) == {"semi_unstratified_20_linear_top1", "semi_per_class_20_linear_top1"}
    assert nothing.facts["semi_per_class_1_labelled"] == nothing.facts["semi_unstratified_1_labelled"] == 0


def test_lists_take_the_place_of_draws() -> None:
    given = evaluated()
    rows = [0, 3, 7, 30, 50, 90, 91]
    result = Semi().run(replace(given, label_lists={"mine": given.data.train[rows]}))
    assert result.values() == {"semi_list_mine_linear_top1": pytest.approx(probed(rows).mean())}
    assert result.facts == {"semi_list_mine_labelled": 7}


def test_fine_tuning_sees_the_drawn_sequences_and_no_others() -> None:
    told: list[tuple[str, int, int]] = []
    given = evaluated(progress=lambda *at: told.append(at))
    result = SemiFinetune(recipes=RECIPES, percent=(20,), draws=2).run(given)
    data = given.data
    for protocol in ("unstratified", "per_class"):
        for recipe in RECIPES:
            hits = []
            for number in range(2):
                rows = data.train[drawn(protocol, 20, number)]
                classifier = fine_tuned(
                    handmade_encoder(), views=data.views, sequences=rows, labels=data.labels[rows], classes=3,
                    recipe=recipe, seed=4 + number,
                )  # fmt: skip
                answers = classifier.head(POINTS.tensors()[2]).argmax(dim=1)
                hits.append((answers == data.eval_labels).double())
            name = f"semi_{protocol}_20_finetune_{recipe.name}_top1"
            assert result.values()[name] == pytest.approx(float(torch.stack(hits).mean()))
    assert len(result.scores) == 4
    assert told == [("semi-finetune", done, 8) for done in range(1, 9)]


def test_what_they_need() -> None:
    data, _ = handmade_data(POINTS)
    raw = of_raw_pose(data=data, config=CONFIG)
    assert SemiFinetune().missing(raw) == "an encoder"
    assert Semi().missing(raw) is None
    assert Semi().missing(replace(raw, data=replace(data, train=data.train[:4]))) == "at least 5 sequences to train on"
