"""A run that cannot go on stops, says why, and leaves the state of its last whole epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch

from hico_platform.build import build_model, build_optimiser, build_views
from hico_platform.config.trial import TrialConfig
from hico_platform.data.store import Store
from hico_platform.errors import TrainingError
from hico_platform.train import guards
from hico_platform.train.guards import EpochProgress, memory_explained
from hico_platform.train.loop import EpochResult, pretrain
from hico_platform.train.state import TrainingState
from tests.small import small_config, small_store

STEPS = 3


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store", count=24)


class Run:
    """A run of ``STEPS`` steps an epoch."""

    def __init__(self, store: Store, **values: object) -> None:
        self.config: TrialConfig = small_config(**values)
        model = build_model(self.config, layout=store.layout, device=torch.device("cpu"))
        optimiser = build_optimiser(self.config.optimiser, model=model)
        self.state = TrainingState(model=model, optimiser=optimiser, seed=0)
        self.views = build_views(self.config.views, store=store, device=torch.device("cpu"))
        self.told: list[EpochProgress] = []
        self.steps = 0

    def train(self, epochs: int) -> Iterator[EpochResult]:
        return pretrain(
            self.state,
            views=self.views,
            train=torch.arange(24),
            epochs=epochs,
            batch_size=8,
            learning_rate=lambda epoch: self.config.optimiser.learning_rate,
            clip_gradient_norm=self.config.optimiser.clip_gradient_norm,
            progress=self.told.append,
        )

    def at_step(self, number: int, harm: Callable[[torch.Tensor], torch.Tensor]) -> str:
        """Puts ``harm`` between a gradient and the optimiser in the step of that number; names the weight."""
        name, weight = list(self.state.model.query.named_parameters())[3]

        def hook(gradient: torch.Tensor) -> torch.Tensor:
            self.steps += 1
            return harm(gradient) if self.steps == number else gradient

        weight.register_hook(hook)
        return name

    def copy(self) -> dict[str, torch.Tensor]:
        return {name: tensor.clone() for name, tensor in self.state.tensors().items()}

    def is_as(self, before: dict[str, torch.Tensor], *, epoch: int) -> bool:
        after = self.state.tensors()
        same = after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
        return same and self.state.epoch == epoch and self.state.whole


def to_infinity(gradient: torch.Tensor) -> torch.Tensor:
    return gradient * math.inf


def test_non_finite_loss_stops_the_run(store: Store) -> None:
    run = Run(store)
    with torch.no_grad():
        next(run.state.model.query.parameters()).fill_(float("nan"))
    expected = r"loss: expected a finite loss in epoch 1, step 1 of 3, got nan; lower optimiser.learning_rate, raise "
    with pytest.raises(TrainingError, match=expected):
        list(run.train(1))


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_non_finite_gradient_in_an_epochs_last_step_stops_the_run(
    clip: float | None, optimiser: str, store: Store
) -> None:
    run = Run(store, optimiser__name=optimiser, optimiser__clip_gradient_norm=clip)
    name = run.at_step(2 * STEPS, to_infinity)
    results = run.train(3)
    next(results)
    before = run.copy()
    with pytest.raises(TrainingError, match=r"a finite gradient in epoch 2, step 3 of 3, got .* not finite") as caught:
        next(results)
    assert clip is not None or name in str(caught.value)
    assert run.is_as(before, epoch=1)


def test_non_finite_gradient_in_the_midst_shows_in_the_next_loss(store: Store) -> None:
    run = Run(store)
    run.at_step(1, to_infinity)
    with pytest.raises(TrainingError, match="step 2 of 3, and a finite gradient in the step before, got nan"):
        list(run.train(1))


def test_an_epoch_is_left_when_its_end_is_far(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "CHECK_EVERY_S", 0.0)
    run = Run(store)
    run.at_step(1, to_infinity)
    before = run.copy()
    with pytest.raises(TrainingError, match="a finite gradient in epoch 1, step 1 of 3"):
        list(run.train(1))
    assert run.steps == 1
    assert run.is_as(before, epoch=0)


def test_progress_is_told_within_an_epoch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "CHECK_EVERY_S", 0.0)
    run = Run(store)
    results = list(run.train(2))
    assert [(said.epoch, said.step, said.steps) for said in run.told] == [
        (epoch, step, STEPS) for epoch in (1, 2) for step in (1, 2, 3)
    ]
    assert run.told[-1].losses == results[-1].losses
    assert run.told[0].losses != run.told[1].losses
    assert all(said.sequences_per_s > 0 for said in run.told)


def test_an_interrupted_epoch_is_taken_back_and_done_again_alike(store: Store) -> None:
    straight = Run(store, model__encoder="transformer")
    expected = [result.losses for result in straight.train(3)]
    run = Run(store, model__encoder="transformer")
    results = run.train(3)
    first = next(results)
    before = run.copy()

    def interrupt(_: torch.Tensor) -> None:
        raise KeyboardInterrupt

    handle = next(run.state.model.query.parameters()).register_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert run.is_as(before, epoch=1)
    handle.remove()
    assert [first.losses, *(result.losses for result in run.train(3))] == expected


def test_clipping_bounds_the_step(store: Store) -> None:
    values = {"optimiser__name": "sgd", "optimiser__learning_rate": 1.0, "optimiser__weight_decay": 0.0}
    for clip, bound in ((1e-3, STEPS * (1 + 0.9 + 0.81) * 1e-3), (None, None)):
        run = Run(store, optimiser__clip_gradient_norm=clip, **values)
        weights = list(run.state.model.query.parameters())
        before = torch.nn.utils.parameters_to_vector(weights).detach()
        list(run.train(1))
        moved = float((torch.nn.utils.parameters_to_vector(weights).detach() - before).norm())
        assert moved <= bound if bound else moved > 0.01


MEMORY = (
    r"budget.batch_size: expected memory for 8 sequences a batch of 16 frames at hidden_width 16, and queues of 24 keys"
)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        MemoryError(),
        None,
    ],
)
def test_out_of_memory_names_the_batch_the_queue_and_what_to_lower(error: Exception | None) -> None:
    def run_out() -> None:
        if error is not None:
            raise error
        torch.empty(2**52)  # more than any machine has

    with pytest.raises(TrainingError, match=MEMORY) as caught, memory_explained(small_config()):
        run_out()
    assert "lower budget.batch_size, then model.hidden_width, contrast.queue_size" in str(caught.value)


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_explained(small_config()):
        raise RuntimeError("shapes do not match")
