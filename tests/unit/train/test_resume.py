"""Training that was cut off and resumed equals training straight through, bit for bit on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform.build import build_model, build_optimiser, build_views, learning_rate
from hico_platform.checkpoint import load_checkpoint, save_checkpoint
from hico_platform.config.trial import TrialConfig
from hico_platform.data.store import Store
from hico_platform.enums import EncoderType
from hico_platform.errors import CheckpointError, ConfigError, DataError
from hico_platform.ops.precision import has_bf16
from hico_platform.train.loop import EpochResult, pretrain
from hico_platform.train.state import TrainingState
from tests.small import small_config, small_store

CPU = torch.device("cpu")
needs_bf16 = pytest.mark.skipif(not has_bf16(CPU), reason="no bfloat16 instructions")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store", count=24)


def start(config: TrialConfig, store: Store) -> TrainingState:
    model = build_model(config, layout=store.layout, device=CPU)
    optimiser = build_optimiser(config.optimiser, model=model)
    return TrainingState(model=model, optimiser=optimiser, seed=config.budget.seed)


def train(state: TrainingState, config: TrialConfig, store: Store, *, epochs: int) -> list[EpochResult]:
    return list(
        pretrain(
            state,
            views=build_views(config.views, store=store, device=CPU),
            train=torch.arange(len(store)),
            epochs=epochs,
            batch_size=config.budget.batch_size,
            learning_rate=lambda epoch: learning_rate(config.optimiser, epoch=epoch, epochs=4),
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimiser", "precision"),
    [("sgd", "float32"), ("adamw", "float32"), pytest.param("sgd", "bf16", marks=needs_bf16)],
)
@pytest.mark.parametrize("encoder", EncoderType)
def test_resumed_equals_uninterrupted(
    encoder: str, optimiser: str, precision: str, store: Store, tmp_path: Path
) -> None:
    config = small_config(model__encoder=encoder, optimiser__name=optimiser, model__precision=precision)
    straight = start(config, store)
    results = train(straight, config, store, epochs=4)

    first = start(config, store)
    before = train(first, config, store, epochs=2)
    path = save_checkpoint(tmp_path, epoch=first.epoch, tensors=first.tensors(), facts={})
    torch.rand(7)  # whatever else a process draws in between
    second = start(config, store)
    checkpoint = load_checkpoint(path)
    second.restore(epoch=checkpoint.epoch, tensors=checkpoint.tensors)
    after = train(second, config, store, epochs=4)

    assert [result.losses for result in before + after] == [result.losses for result in results]
    resumed = second.tensors()
    assert resumed.keys() == straight.tensors().keys()
    for name, value in straight.tensors().items():
        assert torch.equal(value, resumed[name]), name


def test_runs_with_one_seed_are_equal_and_with_another_are_not(store: Store) -> None:
    runs = [
        train(start(config, store), config, store, epochs=1)[0].losses
        for config in (small_config(), small_config(), small_config(budget__seed=1))
    ]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("encoder", EncoderType)
def test_precision_without_hardware_is_refused_and_the_remedy_named(
    encoder: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hico_platform.ops.precision.has_bf16", lambda device: False)
    start(small_config(model__encoder=encoder), store)
    with pytest.raises(
        ConfigError, match=r"model.precision: expected float32 on this cpu.*got .bf16.; set model.precision to f"
    ):
        start(small_config(model__encoder=encoder, model__precision="bf16"), store)


def test_state_of_another_model_is_refused(store: Store) -> None:
    tensors = start(small_config(), store).tensors()
    other = start(small_config(model__hidden_width=32), store)
    with pytest.raises(CheckpointError, match="a state of this configuration's model"):
        other.restore(epoch=1, tensors=tensors)


@pytest.mark.slow
def test_loss_falls_once_the_queues_hold_real_keys(store: Store) -> None:
    config = small_config(model__hidden_width=32, optimiser__learning_rate=3e-3, optimiser__schedule="constant")
    losses = [result.losses["loss"] for result in train(start(config, store), config, store, epochs=20)]
    assert sum(losses[-4:]) < sum(losses[3:7])


def test_batch_larger_than_the_training_part_is_refused(store: Store) -> None:
    config = small_config(budget__batch_size=64)
    with pytest.raises(DataError, match=r"budget.batch_size: expected at most the 24 sequences .*got 64; lower"):
        train(start(config, store), config, store, epochs=1)


def test_learning_rate_schedules() -> None:
    step = small_config(optimiser__schedule="step", optimiser__learning_rate=1.0).optimiser
    assert [learning_rate(step, epoch=epoch, epochs=451) for epoch in (0, 350, 351)] == [1.0, 1.0, 0.1]
    cosine = small_config(optimiser__schedule="cosine", optimiser__learning_rate=1.0).optimiser
    assert learning_rate(cosine, epoch=5, epochs=10) == pytest.approx(0.5)
    constant = small_config(optimiser__schedule="constant", optimiser__learning_rate=0.3).optimiser
    assert learning_rate(constant, epoch=9, epochs=10) == 0.3


def test_state_of_another_kind_of_device_is_refused_and_nothing_is_touched(store: Store) -> None:
    tensors = start(small_config(), store).tensors()
    tensors["random/views"] = torch.zeros(16, dtype=torch.uint8)  # as a GPU's generator has it
    other = start(small_config(budget__seed=1), store)
    before = {name: value.clone() for name, value in other.tensors().items()}
    with pytest.raises(CheckpointError, match="a state of a run on a cpu"):
        other.restore(epoch=1, tensors=tensors)
    assert all(torch.equal(value, before[name]) for name, value in other.tensors().items())
    assert other.whole
