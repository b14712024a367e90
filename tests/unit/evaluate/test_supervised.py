"""Fine-tuning: its recipes followed by other means, and what it does to a real encoder."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hico_platform.build import build_model
from hico_platform.errors import TrainingError
from hico_platform.evaluate.data import EvalData
from hico_platform.evaluate.linear import linear_probe_logits
from hico_platform.evaluate.supervised import CMD, LAYER_DECAY, Classifier, Recipe, fine_tuned, layer_rates
from hico_platform.model.encoder import HierarchicalEncoder
from tests.handmade import HandmadeViews, handmade_data, handmade_encoder, points
from tests.small import small_config, small_split, small_store

CPU = torch.device("cpu")
POINTS = points(classes=3, train=100, held_out=10, seed=4)


def tuned(
    recipe: Recipe, *, encoder: HierarchicalEncoder | None = None, data: EvalData | None = None, seed: int = 7
) -> Classifier:
    data = data or handmade_data(POINTS)[0]
    return fine_tuned(
        encoder or handmade_encoder(),
        views=data.views,
        sequences=data.train,
        labels=data.train_labels,
        classes=data.classes,
        recipe=recipe,
        seed=seed,
    )


def test_without_weights_in_the_encoder_the_recipe_of_cmd_is_a_linear_probe() -> None:
    train, labels, held_out, _ = POINTS.tensors()
    recipe = replace(CMD, epochs=16)  # as many as 80 for the steps at 5/8 and 7/8
    expected = linear_probe_logits(
        train, labels, held_out, classes=3, epochs=16, batch_size=64, learning_rate=0.01, seed=7
    )
    assert torch.allclose(tuned(recipe).head(held_out), expected, atol=1e-6)
    for wrong in (
        replace(recipe, learning_rate=0.009),
        replace(recipe, batch_size=65),
        replace(recipe, epochs=15),
        replace(recipe, weight_decay=0.01),
        replace(recipe, label_smoothing=0.1),
    ):
        assert not torch.allclose(tuned(wrong).head(held_out), expected, atol=1e-5)
    assert (CMD.epochs, CMD.batch_size, CMD.learning_rate, CMD.weight_decay, CMD.layer_decay) == (80, 64, 0.01, 0, 1)


def test_the_recipe_of_mamp_followed_in_numpy() -> None:
    recipe = replace(LAYER_DECAY, epochs=12)
    generator = torch.Generator().manual_seed(7)
    width = POINTS.train.shape[1]
    weights = [torch.empty(3, width).normal_(0, 0.01, generator=generator).double().numpy(), np.zeros(3)]
    first, second = [np.zeros_like(one) for one in weights], [np.zeros_like(one) for one in weights]
    truth = 0.9 * np.eye(3)[POINTS.train_labels] + 0.1 / 3
    step = 0
    for epoch in range(12):
        order = torch.randperm(100, generator=generator).numpy()
        for start in range(0, 100, 48):
            at = epoch + start / 48 / 3
            rate = 3e-4 * at / 5 if at < 5 else 1e-5 + (3e-4 - 1e-5) * (1 + math.cos(math.pi * (at - 5) / 7)) / 2
            rows = order[start : start + 48]
            logits = POINTS.train[rows] @ weights[0].T + weights[1]
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            error = (shares / shares.sum(axis=1, keepdims=True) - truth[rows]) / len(rows)
            step += 1
            for i, slope in enumerate((error.T @ POINTS.train[rows], error.sum(axis=0))):
                first[i] = 0.9 * first[i] + 0.1 * slope
                second[i] = 0.999 * second[i] + 0.001 * slope**2
                if i == 0:
                    weights[i] = weights[i] * (1 - rate * 0.05)
                moment, spread = first[i] / (1 - 0.9**step), second[i] / (1 - 0.999**step)
                weights[i] = weights[i] - rate * moment / (np.sqrt(spread) + 1e-8)
    found = tuned(recipe).head
    assert found.weight.detach().numpy() == pytest.approx(weights[0], abs=3e-7)
    assert found.bias.detach().numpy() == pytest.approx(weights[1], abs=3e-7)
    for wrong in (
        replace(recipe, weight_decay=0.0),
        replace(recipe, label_smoothing=0),
        replace(recipe, warm_up_epochs=4),
    ):
        assert np.abs(tuned(wrong).head.weight.detach().numpy() - weights[0]).max() > 3e-6


def test_rates_of_the_recipes() -> None:
    assert [CMD.rate(epoch) for epoch in (0, 49, 50, 69, 70, 79)] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4])
    assert [LAYER_DECAY.rate(at) for at in (0, 2.5, 5, 52.5, 100)] == pytest.approx([0, 1.5e-4, 3e-4, 1.55e-4, 1e-5])


def encoder_of(tmp_path: Path, **model: object) -> tuple[HierarchicalEncoder, EvalData]:
    store = small_store(tmp_path / "store")
    config = small_config(**{f"model__{name}": value for name, value in model.items()})
    encoder = build_model(config, layout=store.layout, device=CPU).query.encoder
    return encoder, small_split(store).eval_data(config, device=CPU)


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("gru", "rnn.weight_hh_l0", "rnn.bias_ih_l1_reverse"),
        ("lstm", "rnn.weight_ih_l0_reverse", "rnn.weight_ih_l1"),
        ("transformer", "layers.0.attention.qkv.weight", "layers.1.narrow.bias"),
    ],
)
def test_rates_fall_from_the_classifier_to_the_input(tmp_path: Path, kind: str, first: str, second: str) -> None:
    encoder, _ = encoder_of(tmp_path, encoder=kind, layers=2)
    rates = layer_rates(Classifier(encoder, classes=4, generator=torch.Generator()), decay=0.8)
    assert rates["head.weight"] == rates["head.bias"] == 1
    for branch in ("temporal", "spatial"):
        assert rates[f"encoder.{branch}.sequence.{second}"] == pytest.approx(0.8)
        assert rates[f"encoder.{branch}.sequence.{first}"] == pytest.approx(0.64)
        assert rates[f"encoder.{branch}.embedding.0.weight"] == pytest.approx(0.512)
        assert rates[f"encoder.{branch}.downsample.convolution.weight"] == pytest.approx(0.512)
    assert {round(rate, 6) for rate in rates.values()} == {1, 0.8, 0.64, 0.512}


def test_steps_are_as_long_as_the_rates_say(tmp_path: Path) -> None:
    """The first step of AdamW moves every weight with a gradient by its rate."""
    encoder, data = encoder_of(tmp_path, encoder="gru", layers=2)
    recipe = replace(LAYER_DECAY, epochs=1, warm_up_epochs=0, weight_decay=0.0, batch_size=100, label_smoothing=0.0)
    classifier = tuned(recipe, encoder=encoder, data=data)
    before = dict(encoder.named_parameters())
    for name, scale in layer_rates(classifier, decay=0.8).items():
        if name.startswith("encoder."):
            moved = (classifier.get_parameter(name) - before[name.removeprefix("encoder.")]).abs().max().detach()
            assert float(moved) == pytest.approx(3e-4 * scale, rel=0.02), name


def test_the_given_encoder_and_random_state_stay_as_they_were_and_a_seed_gives_the_same_again(tmp_path: Path) -> None:
    encoder, data = encoder_of(tmp_path, encoder="transformer", dropout=0.5)
    encoder.eval().requires_grad_(False)
    before, random = copy.deepcopy(encoder.state_dict()), torch.get_rng_state()
    recipe = replace(CMD, epochs=2)
    one = tuned(recipe, encoder=encoder, data=data, seed=1)
    assert torch.equal(torch.get_rng_state(), random)
    torch.rand(1)  # what PyTorch's own generator gives next decides nothing
    same, other = (tuned(recipe, encoder=encoder, data=data, seed=seed) for seed in (1, 2))
    assert not encoder.training
    assert all(not weight.requires_grad for weight in encoder.parameters())
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert not one.training
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name]), name
        if name.startswith("encoder."):
            assert not torch.equal(value, before[name.removeprefix("encoder.")]), f"{name} is trained"
    assert not torch.equal(one.head.weight, other.head.weight)


def test_dropout_is_on_while_it_trains(tmp_path: Path) -> None:
    encoder, data = encoder_of(tmp_path, encoder="transformer", dropout=0.5)
    without = copy.deepcopy(encoder)
    for module in without.modules():
        if hasattr(module, "dropout"):
            module.dropout = 0.0
    recipe = replace(CMD, epochs=1)
    one, other = (tuned(recipe, encoder=each.eval(), data=data).head.weight for each in (encoder, without))
    assert not torch.equal(one, other)


def test_views_are_made_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    crop = HandmadeViews.cropped

    def counted(views: HandmadeViews, indices: torch.Tensor, **more: Any) -> torch.Tensor:
        asked.append(len(indices))
        return crop(views, indices, **more)

    monkeypatch.setattr(HandmadeViews, "cropped", counted)
    tuned(replace(CMD, epochs=2))
    assert asked == [64, 36, 64, 36], "memory is that of a batch, and the last, smaller one is not left out"


def test_who_waits_hears_of_every_epoch() -> None:
    data, _ = handmade_data(POINTS)
    signs: list[None] = []
    told: list[tuple[int, int]] = []
    fine_tuned(
        handmade_encoder(), views=data.views, sequences=data.train, labels=data.train_labels, classes=3,
        recipe=replace(CMD, epochs=3), seed=0, alive=lambda: signs.append(None), progress=lambda *at: told.append(at),
    )  # fmt: skip
    assert len(signs) == 3
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_loss_that_is_not_finite_is_told() -> None:
    points = replace(POINTS, train=POINTS.train * np.inf)
    with pytest.raises(TrainingError, match="recipe cmd: expected a finite loss, got 'nan in epoch 1'"):
        tuned(CMD, data=handmade_data(points)[0])
