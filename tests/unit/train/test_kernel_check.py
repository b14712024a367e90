"""A machine's kernels are used where they compute what PyTorch's operators do, and left out where they do not."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hico_platform.checkpoint import newest_checkpoint
from hico_platform.data.layout import KINECT_V2
from hico_platform.enums import Decision, EncoderType, Precision
from hico_platform.errors import ConfigError
from hico_platform.feature_flags import left_out, switched_off, without
from hico_platform.model.contrast import Losses
from hico_platform.ops import _backend
from hico_platform.ops.precision import arithmetic, has_bf16, has_tf32
from hico_platform.search.task import TrialTask
from hico_platform.train import kernel_check
from hico_platform.train.kernel_check import Difference, _FirstStep, _shapes, checked_kernels
from hico_platform.worker.run_task import run_task
from tests.small import small_config, small_split, small_store
from tests.unit.worker.test_gpu_memory import Data

CPU = torch.device("cpu")
needs_kernels = pytest.mark.skipif(
    not _backend.has_kernels(torch.device("cpu")),
    reason="no CPU kernels: no ops/cpu, no C compiler, or HICO_KERNELS=off",
)
Kernels = getattr(_backend._module("cpu.library"), "Kernels", None)  # whose calls are made faulty here


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Nothing asked yet."""
    kernel_check._features_to_disable.cache_clear()
    yield
    kernel_check._features_to_disable.cache_clear()


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device(request.param)


def faulty(named: str, fault: Callable[..., None]) -> Callable[..., None]:
    """Calls as ever, and then what ``fault`` does with the arguments of kernels so named."""
    call = Kernels.call

    def called(self: Any, name: str, *arguments: object) -> None:
        call(self, name, *arguments)
        if name.startswith(named):
            fault(*arguments)

    return called


def a_last_unit_forgotten(*arguments: object) -> None:
    """Of what the downsampling makes, for a later granularity."""
    levels = arguments[10]
    assert isinstance(levels, torch.Tensor)
    levels[-1, :, -1] = 0


def a_gradient_too_large(*arguments: object) -> None:
    gradient = arguments[-1]
    assert isinstance(gradient, torch.Tensor)
    gradient *= 1.03


def a_sequence_without_numbers(*arguments: object) -> None:
    made = arguments[-1]
    assert isinstance(made, torch.Tensor)
    made[:, -1] = float("nan")


def a_failure(*arguments: object) -> None:
    raise RuntimeError("no such instruction\nand more")


def no_memory(*arguments: object) -> None:
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")


FAULTS = [
    ("gru", "downsample_forward", a_last_unit_forgotten, r"loss_(part|clip|domain|instance) differs by"),
    ("lstm", "info_nce", a_gradient_too_large, r"the gradient of [\w.]+ differs by 0\.03, at most 0\.02"),
    ("transformer", "attention_forward", a_sequence_without_numbers, "differs by nan"),
    ("gru", "info_nce", a_failure, "no such instruction"),
]


@needs_kernels
@pytest.mark.parametrize("precision", [each for each in Precision if each is not Precision.AUTO])
@pytest.mark.parametrize("batch_size", [8, 24, 64])
@pytest.mark.parametrize("encoder", EncoderType)
def test_this_machines_kernels_agree(encoder: str, batch_size: int, precision: Precision, device: torch.device) -> None:
    if precision is not Precision.FLOAT32 and not (has_bf16 if precision is Precision.BF16 else has_tf32)(device):
        pytest.skip(f"this {device.type} has no {precision}")
    config = small_config(
        model__encoder=encoder, model__layers=2, model__precision=precision.value, model__hidden_width=64,
        budget__batch_size=batch_size,
    )  # fmt: skip
    found = list(_FirstStep(_shapes(config), KINECT_V2, device).differences())
    assert {each.name for each in found} >= {"loss_clip", "loss_part", "loss_domain", "loss_instance"}
    assert len(found) > 80
    assert max(each.share for each in found) <= 1
    assert precision is Precision.FLOAT32 or max(each.share for each in found) > 0.01  # they are not the same code


@needs_kernels
@pytest.mark.parametrize("encoder", EncoderType)
def test_this_machines_kernels_agree_on_2d_poses(encoder: str) -> None:
    config = _shapes(small_config(model__encoder=encoder, budget__batch_size=24))
    step = _FirstStep(config, KINECT_V2, CPU, coordinates=2)
    assert [each.shape[2] for each in step._inputs] == [2 * 25 * 2, 16 * 2] * 2
    assert max(each.share for each in step.differences()) <= 1


@needs_kernels
def test_they_are_used_and_no_random_state_moves(caplog: pytest.LogCaptureFixture) -> None:
    before = torch.get_rng_state()
    with checked_kernels(small_config(), layout=KINECT_V2, device=CPU) as by:
        assert by == arithmetic(CPU) == "kernels"
    assert torch.equal(torch.get_rng_state(), before)
    assert not caplog.records


@needs_kernels
@pytest.mark.parametrize(("encoder", "named", "fault", "said"), FAULTS)
def test_kernels_at_fault_are_left_out_of_such_runs_alone(
    encoder: str,
    named: str,
    fault: Callable[..., None],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = small_config(model__encoder=encoder)
    with monkeypatch.context() as during:
        during.setattr(Kernels, "call", faulty(named, fault))
        for _ in range(2):
            with checked_kernels(config, layout=KINECT_V2, device=CPU) as by:
                assert by == arithmetic(CPU) == "pytorch"
                assert switched_off("HICO_CUDA_GRAPHS")
    [record] = caplog.records  # once, however many runs there are
    assert record.levelno == logging.WARNING
    assert re.fullmatch(
        rf"this machine's kernels for a CPU do not compute what PyTorch's operators do \([^(]*{said}.*\): "
        "training goes on without them, which takes longer; please report it",
        record.getMessage(),
    )
    assert arithmetic(CPU) == "kernels"
    with checked_kernels(small_config(contrast__queue_size=40), layout=KINECT_V2, device=CPU) as by:
        assert by == "kernels"


@needs_kernels
def test_sound_kernels_that_took_another_of_two_equals_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far apart on the first draw, and together on the second."""
    draws = []

    def differences(self: _FirstStep) -> Iterator[Difference]:
        draws.append(1)
        yield Difference(name="the gradient of a weight", value=0.5 if len(draws) == 1 else 0.001, allowed=0.02)

    monkeypatch.setattr(_FirstStep, "differences", differences)
    with checked_kernels(small_config(), layout=KINECT_V2, device=CPU) as by:
        assert by == "kernels"
    assert len(draws) == 2


@needs_kernels
def test_memory_that_runs_out_is_no_fault_of_theirs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as during:
        during.setattr(Kernels, "call", faulty("info_nce", no_memory))
        with checked_kernels(small_config(), layout=KINECT_V2, device=CPU) as by:
            assert by == "kernels"
    assert not caplog.records
    monkeypatch.setattr(Kernels, "call", faulty("info_nce", a_failure))  # asked again when there may be some
    with checked_kernels(small_config(), layout=KINECT_V2, device=CPU) as by:
        assert by == "pytorch"


def test_a_recording_at_fault_is_left_out_before_the_kernels_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A GPU is played by a CPU whose recordings forget a gradient."""

    class Recorded:
        def __init__(self, step: Callable[..., Losses], *, generator: torch.Generator) -> None:
            self._step = step

        def __call__(self, *inputs: torch.Tensor) -> Losses:
            losses = self._step(*inputs)
            with torch.no_grad():
                return Losses(losses.total, {level: loss + 1 for level, loss in losses.levels.items()})

    monkeypatch.setattr(kernel_check, "CapturedStep", Recorded)
    monkeypatch.setattr(kernel_check, "can_capture", lambda device: not switched_off("HICO_CUDA_GRAPHS"))
    by_what = arithmetic(CPU)
    with checked_kernels(small_config(), layout=KINECT_V2, device=CPU) as by:
        assert by == by_what
        assert switched_off("HICO_CUDA_GRAPHS")
        assert not left_out("HICO_KERNELS")
    assert not switched_off("HICO_CUDA_GRAPHS")
    [record] = caplog.records
    assert "this machine's recorded kernels" in record.getMessage()


@needs_kernels
def test_pytorchs_operators_that_fail_say_so_and_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no such library")

    monkeypatch.setattr(kernel_check, "_computed", fails)
    with checked_kernels(small_config(), layout=KINECT_V2, device=CPU) as by:
        assert by == "kernels"
    [record] = caplog.records
    assert record.getMessage() == "PyTorch's operators fail, so kernels go unchecked: no such library"


@needs_kernels
def test_a_wrong_configuration_is_the_users_to_mend() -> None:
    config = small_config(model__granularities=6, views__frames=8)
    with (
        pytest.raises(ConfigError, match=r"model\.granularities"),
        checked_kernels(config, layout=KINECT_V2, device=CPU),
    ):
        pass


@pytest.mark.slow
@needs_kernels
def test_a_run_says_by_whose_operators_it_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By PyTorch's, it is bit for bit the run of a machine without kernels."""
    data = Data(small_split(small_store(tmp_path / "data")))
    object.__setattr__(data, "source", SimpleNamespace(protocol="small", written=""))
    config = small_config(budget__epochs=1)

    def run(name: str) -> tuple[str, dict[str, torch.Tensor]]:
        task = TrialTask(number=0, config=config, directory=tmp_path / name, report_epochs=(1,), cpus=1, gpus=0)
        run_task(task, lambda report: Decision.CONTINUE, data=data)
        checkpoint = newest_checkpoint(task.directory)
        assert checkpoint is not None
        return checkpoint.facts["provenance"]["arithmetic"], checkpoint.tensors

    assert run("sound")[0] == "kernels"
    kernel_check._features_to_disable.cache_clear()
    with without("HICO_KERNELS"):
        said, expected = run("without")
    assert said == "pytorch"
    monkeypatch.setattr(Kernels, "call", faulty("info_nce", a_gradient_too_large))
    said, found = run("faulty")
    assert said == "pytorch"
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
