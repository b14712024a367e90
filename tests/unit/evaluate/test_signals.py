from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from hico_platform.config.trial import EvaluationConfig
from hico_platform.enums import Signal
from hico_platform.evaluate import signals as module
from hico_platform.evaluate.data import EvalData, EvalFeatures, Evaluated
from hico_platform.evaluate.noise import standard_errors
from hico_platform.evaluate.signals import reported_scores, validation_scores
from tests import handmade

OF_KNN = {"knn_top1", "knn_top1_k5", "knn_top1_k9", "knn_top1_k20", "knn_mean"}
CONFIG = EvaluationConfig()


@pytest.fixture
def given() -> handmade.Points:
    return handmade.points(classes=4, train=120, held_out=40, seed=5)


@pytest.fixture
def data(given: handmade.Points) -> EvalData:
    return replace(handmade.handmade_data(given)[0], subjects=torch.arange(160) % 8)


@pytest.fixture
def features(given: handmade.Points) -> EvalFeatures:
    train, _, held_out, _ = given.tensors()
    return EvalFeatures(train=train, eval=held_out)


def right_by_scikit_learn(given: handmade.Points, k: int) -> np.ndarray:
    classifier = KNeighborsClassifier(n_neighbors=k, metric="cosine").fit(given.train, given.train_labels)
    return classifier.predict(given.eval) == given.eval_labels


@pytest.mark.parametrize("signal", Signal)
def test_every_signal_comes_with_all_knn_and_each_with_its_noise(
    signal: Signal, data: EvalData, features: EvalFeatures
) -> None:
    found = reported_scores(features, data=data, config=CONFIG, signal=signal)
    assert found.values.keys() == found.standard_errors.keys() == OF_KNN | {signal.metric}
    assert all(0 < error < 0.2 for error in found.standard_errors.values())


def test_the_signals_are_what_scikit_learn_says(given: handmade.Points, data: EvalData, features: EvalFeatures) -> None:
    def value(signal: Signal) -> float:
        return reported_scores(features, data=data, config=CONFIG, signal=signal).values[signal.metric]

    knn = {k: right_by_scikit_learn(given, k).mean() for k in (1, 5, 9, 20)}
    assert value(Signal.KNN_TOP1) == pytest.approx(knn[1])
    assert value(Signal.KNN_MEAN) == pytest.approx(np.mean(list(knn.values())))
    assert value(Signal.MAP) == pytest.approx(handmade.sklearn_map(given), abs=1e-6)
    values = [value(signal) for signal in Signal]
    assert len(set(values)) == len(values), "on these features every signal is another number"


def test_noise_is_that_of_the_persons_who_are_scored(
    given: handmade.Points, data: EvalData, features: EvalFeatures
) -> None:
    right = torch.tensor(right_by_scikit_learn(given, 1))
    persons = torch.arange(160) % 8
    persons[data.eval] = right.long() * 4 + torch.arange(len(right)) % 4  # who are all right, or all wrong
    found = reported_scores(features, data=replace(data, subjects=persons), config=CONFIG, signal=Signal.KNN_TOP1)
    expected = standard_errors(right[None], persons=persons[data.eval]).item()
    assert found.standard_errors["knn_top1"] == pytest.approx(expected)
    assert expected > 1.5 * standard_errors(right[None], persons=None).item()


def test_knn_subjects_scores_both_parts(data: EvalData, features: EvalFeatures) -> None:
    whole = reported_scores(features, data=data, config=CONFIG, signal=Signal.KNN_SUBJECTS)
    assert whole.values["knn_subjects"] * 160 == pytest.approx(round(whole.values["knn_subjects"] * 160))
    assert whole.standard_errors["knn_subjects"] < whole.standard_errors["knn_top1"], "four times as many sequences"


def test_a_trial_reports_the_same_of_what_is_evaluated_with_its_seed(
    data: EvalData, features: EvalFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def noted(**given: object) -> Evaluated:
        seeds.append(given["seed"])
        return Evaluated(**given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "Evaluated", noted)
    evaluated = Evaluated(data=data, features=features, config=CONFIG, seed=3)
    expected = reported_scores(features, data=data, config=CONFIG, signal=Signal.MAP, seed=3)
    assert validation_scores(evaluated, signal=Signal.MAP) == expected
    assert seeds == [3, 3]
