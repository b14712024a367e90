"""Training on a GPU: recorded steps are the launched ones, and every precision keeps to its tolerance."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from hico_platform import build
from hico_platform.build import build_model, build_optimiser, build_views, learning_rate
from hico_platform.config.trial import TrialConfig
from hico_platform.data.store import Store
from hico_platform.enums import EncoderType, Level, Precision
from hico_platform.errors import ConfigError
from hico_platform.model.contrast import Losses
from hico_platform.ops.cuda_streams import concurrently
from hico_platform.ops.precision import refuse_missing
from hico_platform.train import cuda_graph
from hico_platform.train.cuda_graph import EAGER_STEPS, CapturedStep, can_capture
from hico_platform.train.loop import EpochResult, pretrain
from hico_platform.train.state import TrainingState
from tests.small import small_config, small_store

GPU = torch.device("cuda")
on_a_gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def gpu(test: object) -> object:
    for mark in on_a_gpu:
        test = mark(test)  # type: ignore[operator]
    return test


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store", count=24)


def start(config: TrialConfig, store: Store) -> TrainingState:
    model = build_model(config, layout=store.layout, device=GPU)
    return TrainingState(model=model, optimiser=build_optimiser(config.optimiser, model=model), seed=config.budget.seed)


def train(state: TrainingState, config: TrialConfig, store: Store, *, epochs: int) -> list[EpochResult]:
    assert len(store) // config.budget.batch_size > EAGER_STEPS
    return list(
        pretrain(
            state,
            views=build_views(config.views, store=store, device=GPU),
            train=torch.arange(len(store), device=GPU),
            epochs=epochs,
            batch_size=config.budget.batch_size,
            learning_rate=lambda epoch: learning_rate(config.optimiser, epoch=epoch, epochs=4),
            clip_gradient_norm=config.optimiser.clip_gradient_norm,
        )
    )


def same(found: list[EpochResult], expected: list[EpochResult], *, rel: float = 1e-4) -> None:
    """cuDNN's sums come in no fixed order."""
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=rel)


@gpu
@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("encoder", EncoderType)
def test_recorded_steps_are_the_launched_ones(
    encoder: str, optimiser: str, clip: float | None, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(
        model__encoder=encoder, optimiser__name=optimiser, optimiser__schedule="cosine",
        optimiser__learning_rate=0.05, optimiser__clip_gradient_norm=clip, budget__batch_size=4,
    )  # fmt: skip
    recorded = train(start(config, store), config, store, epochs=3)
    monkeypatch.setenv("HICO_CUDA_GRAPHS", "off")
    assert not can_capture(GPU)
    same(recorded, train(start(config, store), config, store, epochs=3))


@gpu
@pytest.mark.parametrize("precision", ["float32", "tf32"])
@pytest.mark.parametrize("encoder", EncoderType)
def test_recorded_steps_of_a_large_model_are_the_launched_ones(
    encoder: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose kernels take other tiles than a small model's."""
    store = small_store(tmp_path / "store", count=100)
    config = small_config(
        model__encoder=encoder, model__hidden_width=256, model__precision=precision, views__frames=64,
        budget__batch_size=20,
    )  # fmt: skip
    recorded = train(start(config, store), config, store, epochs=2)
    monkeypatch.setenv("HICO_CUDA_GRAPHS", "off")
    same(recorded, train(start(config, store), config, store, epochs=2))


@gpu
@pytest.mark.parametrize("coordinates", [2, 3])
def test_recorded_steps_draw_other_views_in_every_step(
    coordinates: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All views that are off at the released settings."""
    store = small_store(tmp_path / "store", count=24, coordinates=coordinates)
    config = small_config(
        budget__batch_size=4, views__rotation_degrees=30.0, views__tilt_degrees=10.0 if coordinates == 3 else 0.0,
        views__scale=0.1, views__shear_strength=0.3, views__corruption_probability=0.5, views__corruption="zeroed",
    )  # fmt: skip

    def begin() -> TrainingState:
        model = build_model(config, layout=store.layout, device=GPU, coordinates=coordinates)
        optimiser = build_optimiser(config.optimiser, model=model)
        return TrainingState(model=model, optimiser=optimiser, seed=config.budget.seed)

    recorded = train(begin(), config, store, epochs=3)
    monkeypatch.setenv("HICO_CUDA_GRAPHS", "off")
    same(recorded, train(begin(), config, store, epochs=3))


@gpu
def test_a_dataset_that_is_sent_trains_as_one_that_lies_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config(budget__batch_size=4)
    resident = train(start(config, store), config, store, epochs=2)
    monkeypatch.setattr(build, "RESIDENT_SHARE", 0.0)
    same(train(start(config, store), config, store, epochs=2), resident)


@gpu
@pytest.mark.parametrize("encoder", EncoderType)
def test_resumed_equals_uninterrupted(encoder: str, store: Store) -> None:
    config = small_config(model__encoder=encoder, budget__batch_size=4)
    straight = train(start(config, store), config, store, epochs=4)
    first = start(config, store)
    before = train(first, config, store, epochs=2)
    saved = {name: tensor.clone().cpu() for name, tensor in first.tensors().items()}  # as a checkpoint has them
    torch.rand(7, device=GPU)  # whatever else a process draws in between
    second = start(config, store)
    second.restore(epoch=2, tensors=saved)
    same(before + train(second, config, store, epochs=4), straight)


@gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 1e-3), ("bf16", 1e-2)])
@pytest.mark.parametrize("encoder", EncoderType)
def test_a_faster_precision_keeps_to_its_tolerance(
    encoder: str, precision: str, tolerance: float, store: Store
) -> None:
    """Each level's loss of a first step; the gradient's direction."""
    found = []
    for each in ("float32", precision):
        config = small_config(model__encoder=encoder, model__hidden_width=64, model__dropout=0.0, model__precision=each)
        state = start(config, store)
        count = 8
        views = build_views(config.views, store=store, device=GPU)
        [result] = pretrain(
            state, views=views, train=torch.arange(count, device=GPU), epochs=1, batch_size=count,
            learning_rate=lambda epoch: 0.0,
        )  # fmt: skip
        gradient = torch.cat([weight.grad.flatten() for weight in state.model.query.parameters()])
        found.append((result.losses, gradient))
    (exact, expected), (losses, gradient) = found
    assert losses == pytest.approx(exact, rel=tolerance)
    assert losses != exact
    assert torch.cosine_similarity(gradient, expected, dim=0) > 1 - tolerance


class Refused(torch.autograd.Function):
    """A gradient that cannot be had once steps are recorded."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        return value * 1

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            raise torch.OutOfMemoryError("CUDA out of memory, as it were")
        return gradients[0]


def waits_for_the_host(value: torch.Tensor) -> torch.Tensor:
    return value + value.item()  # which no recording can


@gpu
@pytest.mark.parametrize(
    ("fails", "error"), [(waits_for_the_host, RuntimeError), (Refused.apply, torch.OutOfMemoryError)]
)
def test_what_fails_while_steps_are_recorded_reaches_the_caller_and_training_goes_on_elsewhere(
    fails: Callable[[torch.Tensor], torch.Tensor], error: type[Exception]
) -> None:
    """On two paths through the recording, of which one fails, forwards or backwards."""
    weights = [torch.ones((), device=GPU, requires_grad=True) for _ in range(2)]

    def step_of(work: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Losses]:
        def step(value: torch.Tensor) -> Losses:
            first, second = weights
            made = concurrently(lambda: first * value, lambda: work(second * value) + torch.rand((), device=GPU) * 0)
            total = made[0] + made[1]
            total.backward()
            return Losses(total, {})

        return step

    value = torch.ones((), device=GPU)
    recorded = CapturedStep(step_of(fails), generator=torch.Generator(GPU))
    for _ in range(EAGER_STEPS):
        recorded(value)
    with pytest.raises(error):
        recorded(value)
    assert math.isfinite(torch.rand(3, device=GPU).sum().item())
    again = CapturedStep(step_of(lambda given: given), generator=torch.Generator(GPU))
    for _ in range(EAGER_STEPS + 2):
        for weight in weights:
            weight.grad = None
        assert again(value).total.item() == 2


def test_losses_of_launched_steps_keep_nothing_that_a_recording_would_wait_for() -> None:
    """What accumulates a gradient lives as long as any loss that it led to, and remembers its stream."""
    weight = torch.ones(2, requires_grad=True)

    def step() -> Losses:
        loss = (weight * 2).sum()
        loss.backward()
        return Losses(loss, {Level.CLIP: loss})

    losses = CapturedStep(step, generator=torch.Generator())()
    assert losses.total == losses.levels[Level.CLIP] == 4
    assert not losses.total.requires_grad
    assert not losses.levels[Level.CLIP].requires_grad


def test_memory_that_runs_out_in_a_recording_is_what_the_caller_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU is played by fakes: a recording that is cut off cannot be ended either, and leaves its stream current."""

    class Graph:
        def register_generator_state(self, generator: torch.Generator) -> None: ...

    @contextmanager
    def recording(graph: Graph, **_: object) -> Iterator[None]:
        current.append("recording")
        try:
            yield
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    def step() -> Losses:
        raise torch.OutOfMemoryError("CUDA out of memory")

    current = ["before"]
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: current[-1])
    monkeypatch.setattr(torch.cuda, "set_stream", current.append)
    monkeypatch.setattr(cuda_graph, "EAGER_STEPS", 0)
    with pytest.raises(torch.OutOfMemoryError):
        CapturedStep(step, generator=torch.Generator())()
    assert current == ["before", "recording", "before"]


def test_what_a_failed_recording_held_is_free_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not when a collector of cycles comes by: it may be most of a GPU's memory."""

    class Graph:
        def register_generator_state(self, generator: torch.Generator) -> None: ...

    def step() -> Losses:
        held = torch.ones(3)
        made.append(weakref.ref(held))
        raise torch.OutOfMemoryError("CUDA out of memory")

    made: list[weakref.ref[torch.Tensor]] = []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, **_: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
    monkeypatch.setattr(cuda_graph, "EAGER_STEPS", 0)
    gc.disable()
    try:
        with suppress(torch.OutOfMemoryError):
            CapturedStep(step, generator=torch.Generator())()
        assert made[0]() is None
    finally:
        gc.enable()


def test_only_a_gpu_records_steps() -> None:
    assert not can_capture(torch.device("cpu"))


def test_tf32_is_refused_on_a_cpu() -> None:
    with pytest.raises(
        ConfigError, match=r"model.precision: expected float32 on this cpu, which has no TensorFloat-32.*Ampere"
    ):
        refuse_missing(Precision.TF32, torch.device("cpu"))
