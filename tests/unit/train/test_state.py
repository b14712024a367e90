"""What a checkpoint keeps of a training state, and that all of it is taken over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform.build import build_model, build_optimiser
from hico_platform.config.trial import TrialConfig
from hico_platform.data.store import Store
from hico_platform.errors import CheckpointError
from hico_platform.train.state import TrainingState
from tests.small import small_config, small_store

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store", count=8)


def begun(config: TrialConfig, store: Store) -> TrainingState:
    model = build_model(config, layout=store.layout, device=CPU)
    return TrainingState(model=model, optimiser=build_optimiser(config.optimiser, model=model), seed=config.budget.seed)


def stepped(state: TrainingState) -> TrainingState:
    """After a step along a gradient of ones, with random numbers drawn."""
    for weight in state.model.query.parameters():
        weight.grad = torch.ones_like(weight)
    state.optimiser.step()
    torch.rand(5, generator=state.generator)
    torch.rand(3)
    return state


def test_a_new_state_is_before_the_first_epoch_and_draws_from_its_seed(store: Store) -> None:
    state = begun(small_config(budget__seed=7), store)
    assert (state.epoch, state.whole, state.device) == (0, True, CPU)
    assert torch.equal(
        torch.rand(4, generator=state.generator), torch.rand(4, generator=torch.Generator().manual_seed(7))
    )
    dropout = torch.rand(4)
    torch.manual_seed(7)
    assert torch.equal(dropout, torch.rand(4))


@pytest.mark.parametrize(
    ("name", "slots"), [("adamw", {"step", "exp_avg", "exp_avg_sq"}), ("sgd", {"momentum_buffer"})]
)
def test_tensors_are_kept_under_these_names(name: str, slots: set[str], store: Store) -> None:
    state = stepped(begun(small_config(optimiser__name=name), store))
    tensors = state.tensors()
    weights = len(list(state.model.query.parameters()))
    assert set(tensors) == {
        *(f"model/{name}" for name in state.model.state_dict()),
        *(f"optimiser/{index}/{slot}" for index in range(weights) for slot in slots),
        "random/views",
        "random/dropout",
    }
    assert torch.equal(tensors["random/views"], state.generator.get_state())
    assert torch.equal(tensors["random/dropout"], torch.get_rng_state())


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_all_of_it_is_taken_over(name: str, store: Store) -> None:
    state = stepped(begun(small_config(optimiser__name=name), store))
    tensors = {name: value.clone() for name, value in state.tensors().items()}
    views, dropout = torch.rand(4, generator=state.generator), torch.rand(4)

    other = begun(small_config(optimiser__name=name, optimiser__learning_rate=0.5, budget__seed=9), store)
    other.whole = False
    other.restore(epoch=6, tensors=tensors)
    assert (other.epoch, other.whole) == (6, True)
    assert other.optimiser.param_groups[0]["lr"] == 0.5, "rates are the configuration's"
    assert all(torch.equal(value, tensors[name]) for name, value in other.tensors().items())
    assert torch.equal(torch.rand(4, generator=other.generator), views)
    assert torch.equal(torch.rand(4), dropout)


def test_a_state_that_failed_to_be_taken_over_is_not_whole(store: Store, tmp_path: Path) -> None:
    tensors = begun(small_config(model__hidden_width=32), store).tensors()
    state = begun(small_config(), store)
    with pytest.raises(CheckpointError, match=r"model.*, got 'Error\(s\) in loading.*; resume with the configuration"):
        state.restore(epoch=1, tensors=tensors)
    assert not state.whole
    assert state.epoch == 0
