"""The training loop against the same epochs written out by hand: every weight, queue and reported number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from hico_platform.build import build_model, build_optimiser, build_views
from hico_platform.config.trial import TrialConfig
from hico_platform.data.split_guard import ClosedTestSplitError
from hico_platform.data.store import Store
from hico_platform.enums import Level
from hico_platform.model.encoder import Tokens
from hico_platform.model.hico import HiCo
from hico_platform.train import loop
from hico_platform.train.loop import EpochResult, pretrain
from hico_platform.train.state import TrainingState
from tests.small import small_config, small_store

CPU = torch.device("cpu")
SEQUENCES = torch.arange(2, 23)  # 21: two batches of 8, and 5 left over
RATES = (0.3, 0.1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store", count=24)


def tokens_by_hand(poses: Tensor) -> Tokens:
    n, t, m, j, c = poses.shape
    return Tokens(
        temporal=poses.reshape(n, t, m * j * c), spatial=poses.permute(0, 2, 3, 1, 4).reshape(n, m * j, t * c)
    )


def clip_by_hand(model: HiCo, most: float) -> None:
    gradients = [weight.grad for weight in model.query.parameters() if weight.grad is not None]
    norm = math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients))
    for gradient in gradients:
        gradient.mul_(min(1.0, most / (norm + 1e-6)))


def by_hand(config: TrialConfig, store: Store, *, clip: float | None) -> tuple[HiCo, list[dict[str, float]]]:
    """The model after an epoch at each of ``RATES``, and each epoch's mean losses."""
    model = build_model(config, layout=store.layout, device=CPU)
    optimiser = build_optimiser(config.optimiser, model=model)
    views = build_views(config.views, store=store, device=CPU)
    generator = torch.Generator().manual_seed(config.budget.seed)
    torch.manual_seed(config.budget.seed)  # dropout
    means = []
    for rate in RATES:
        optimiser.param_groups[0]["lr"] = rate
        order = SEQUENCES[torch.randperm(21, generator=generator)]
        losses = []
        for batch in (order[:8], order[8:16]):
            query, key = (tokens_by_hand(views.random(batch, generator=generator)) for _ in range(2))
            contrast = model(query, key)
            optimiser.zero_grad()
            contrast.losses.total.backward()
            if clip is not None:
                clip_by_hand(model, clip)
            optimiser.step()
            for name, keys in contrast.keys.items():
                model.queue(name).push(keys.flatten(0, -2))
            levels = {f"loss_{level}": contrast.losses.levels[level].item() for level in Level}
            losses.append({"loss": contrast.losses.total.item(), **levels})
        means.append({name: (losses[0][name] + losses[1][name]) / 2 for name in losses[0]})
    return model, means


def begun(config: TrialConfig, store: Store) -> TrainingState:
    model = build_model(config, layout=store.layout, device=CPU)
    return TrainingState(model=model, optimiser=build_optimiser(config.optimiser, model=model), seed=config.budget.seed)


def trained(state: TrainingState, config: TrialConfig, store: Store, *, clip: float | None) -> Iterator[EpochResult]:
    return pretrain(
        state,
        views=build_views(config.views, store=store, device=CPU),
        train=SEQUENCES,
        epochs=2,
        batch_size=8,
        learning_rate=RATES.__getitem__,
        clip_gradient_norm=clip,
    )


@pytest.mark.parametrize("clip", [None, 0.05])
def test_epochs_are_those_written_out_by_hand(clip: float | None, store: Store) -> None:
    # SGD, as AdamW makes a step of whatever rounding leaves of a gradient that is zero.
    config = small_config(model__encoder="transformer", model__dropout=0.2, optimiser__name="sgd", budget__seed=3)
    expected, means = by_hand(config, store, clip=clip)
    state = begun(config, store)
    state.model.eval()
    results = list(trained(state, config, store, clip=clip))
    assert [result.epoch for result in results] == [1, 2]
    assert [result.losses for result in results] == [pytest.approx(mean, rel=1e-5) for mean in means]
    assert state.epoch == 2
    assert state.model.training
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(state.model.state_dict()[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


def test_clipping_changes_what_is_learnt(store: Store) -> None:
    config = small_config(optimiser__name="sgd")
    (one, _), (other, _) = by_hand(config, store, clip=None), by_hand(config, store, clip=0.05)
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_speed_is_the_sequences_of_whole_batches_a_second(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 14.0, 20.0, 22.0])
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    config = small_config()
    results = list(trained(begun(config, store), config, store, clip=None))
    assert [result.sequences_per_s for result in results] == [16 / 4, 16 / 2]


def test_a_batch_of_all_sequences_is_trained_on(store: Store, tmp_path: Path) -> None:
    config = small_config()
    state = begun(config, store)
    views = build_views(config.views, store=store, device=CPU)
    results = list(
        pretrain(state, views=views, train=SEQUENCES, epochs=1, batch_size=21, learning_rate=lambda epoch: 1e-3)
    )
    assert [result.epoch for result in results] == [1]


def test_sequences_are_checked_once_and_before_anything_is_trained(store: Store) -> None:
    """A check in a step would wait for the device, and would come too late for the steps before it."""
    config = small_config()
    views = build_views(config.views, store=store.without(np.array([22])), device=CPU)
    with pytest.raises(ClosedTestSplitError, match=store.names[22]):
        next(
            pretrain(
                begun(config, store),
                views=views,
                train=SEQUENCES,
                epochs=1,
                batch_size=8,
                learning_rate=RATES.__getitem__,
            )
        )
    asked: list[list[int]] = []
    views = build_views(config.views, store=store, device=CPU)
    views._check = lambda indices: asked.append(indices.tolist())
    list(
        pretrain(
            begun(config, store), views=views, train=SEQUENCES, epochs=2, batch_size=8, learning_rate=RATES.__getitem__
        )
    )
    assert asked == [SEQUENCES.tolist()]
