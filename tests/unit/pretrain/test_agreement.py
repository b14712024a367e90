"""A machine's kernels are used where they compute what PyTorch's operators do, and left out where they do not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hico_platform.checkpoint import newest_checkpoint
from hico_platform.data.layout import KINECT_V2
from hico_platform.errors import ConfigError
from hico_platform.model.precision import arithmetic, has_bf16, has_tf32
from hico_platform.native import library
from hico_platform.native.library import Argument, Kernels
from hico_platform.pretrain import agreement
from hico_platform.pretrain.agreement import differences, settled_arithmetic
from hico_platform.search.task import TrialTask
from hico_platform.stages.carry_out import carry_out
from hico_platform.switches import left_out, switched_off, without
from hico_platform.vocabulary import Decision, EncoderType, Precision
from tests.small import small_config, small_fold, small_store
from tests.unit.stages.test_gpu_memory import Data

CPU = torch.device("cpu")
needs_kernels = pytest.mark.skipif(library.kernels() is None, reason="no C compiler, or HICO_KERNELS=off")


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Nothing asked yet, and nothing left out afterwards."""
    agreement._fault.cache_clear()
    with without():
        yield
    agreement._fault.cache_clear()


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device(request.param)


def faulty(*named: str, fault: Callable[..., None]) -> Callable[..., None]:
    """Calls as ever, and what ``fault`` does with the arguments of kernels so named."""
    call = Kernels.call

    def called(self: Kernels, name: str, *arguments: Argument) -> None:
        call(self, name, *arguments)
        if name.startswith(named):
            fault(*arguments)

    return called


def stretch(*arguments: Argument) -> None:
    for each in arguments:
        if isinstance(each, torch.Tensor) and each.is_floating_point():
            each.detach().mul_(1.5)


def spoil(*arguments: Argument) -> None:
    for each in arguments:
        if isinstance(each, torch.Tensor) and each.is_floating_point():
            each.detach().fill_(float("nan"))


def fail(*arguments: Argument) -> None:
    raise RuntimeError("illegal instruction\nand more")


def run_out(*arguments: Argument) -> None:
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")


@needs_kernels
@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("encoder", EncoderType)
def test_this_machines_kernels_agree(encoder: str, layers: int, precision: Precision, device: torch.device) -> None:
    if precision is not Precision.FLOAT32 and not (has_bf16 if precision is Precision.BF16 else has_tf32)(device):
        pytest.skip(f"this {device.type} has no {precision}")
    config = small_config(
        model__encoder=encoder, model__layers=layers, model__precision=precision.value, model__dropout=0.0,
        model__hidden_width=64,
    )  # fmt: skip
    found = list(differences(config, layout=KINECT_V2, device=device))
    assert {each.name for each in found} >= {"loss_clip", "loss_part", "loss_domain", "loss_instance"}
    assert len(found) > 40
    assert max(each.share for each in found) <= 1
    assert precision is Precision.FLOAT32 or max(each.share for each in found) > 0.01  # they are not the same code


@needs_kernels
def test_they_are_used_and_no_random_state_moves(caplog: pytest.LogCaptureFixture) -> None:
    before = torch.get_rng_state()
    assert settled_arithmetic(small_config(), layout=KINECT_V2, device=CPU) == "kernels"
    assert torch.equal(torch.get_rng_state(), before)
    assert not caplog.records
    assert not left_out("HICO_KERNELS")


@needs_kernels
@pytest.mark.parametrize(
    ("encoder", "named", "fault", "said"),
    [
        ("gru", "downsample_", stretch, "differs by"),
        ("transformer", "attention_", spoil, "differs by nan"),
        ("lstm", "info_nce", fail, "(illegal instruction)"),
    ],
)
def test_kernels_at_fault_are_left_out(
    encoder: str,
    named: str,
    fault: Callable[..., None],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Kernels, "call", faulty(named, fault=fault))
    config = small_config(model__encoder=encoder)
    with caplog.at_level(logging.WARNING):
        assert settled_arithmetic(config, layout=KINECT_V2, device=CPU) == "pytorch"
        assert settled_arithmetic(config, layout=KINECT_V2, device=CPU) == "pytorch"
    [record] = caplog.records
    assert "this machine's kernels for a CPU do not compute what PyTorch's operators do" in record.getMessage()
    assert said in record.getMessage()
    assert "training goes on by PyTorch's operators" in record.getMessage()
    assert arithmetic(CPU) == "pytorch"
    assert switched_off("HICO_CUDA_GRAPHS")


@needs_kernels
def test_memory_that_runs_out_is_no_fault_of_theirs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Kernels, "call", faulty("info_nce", fault=run_out))
    assert settled_arithmetic(small_config(), layout=KINECT_V2, device=CPU) == "kernels"
    assert not caplog.records


def test_a_wrong_configuration_is_the_users_to_mend() -> None:
    config = small_config(model__granularities=6, views__frames=8)
    with without():
        if arithmetic(CPU) == "kernels":
            with pytest.raises(ConfigError, match=r"model\.granularities"):
                settled_arithmetic(config, layout=KINECT_V2, device=CPU)


@needs_kernels
def test_a_run_says_by_whose_operators_it_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By PyTorch's, it is bit for bit the run of a machine without kernels."""
    data = Data(small_fold(small_store(tmp_path / "data")))
    object.__setattr__(data, "source", SimpleNamespace(protocol="small"))
    config = small_config(budget__epochs=1)

    def run(name: str) -> tuple[str, dict[str, torch.Tensor]]:
        task = TrialTask(number=0, config=config, directory=tmp_path / name, report_epochs=(1,), cpus=1, gpus=0)
        carry_out(task, lambda report: Decision.CONTINUE, data=data)
        checkpoint = newest_checkpoint(task.directory)
        assert checkpoint is not None
        return checkpoint.facts["provenance"]["arithmetic"], checkpoint.tensors

    assert run("sound")[0] == "kernels"
    agreement._fault.cache_clear()
    with without("HICO_KERNELS"):
        said, expected = run("without")
    assert said == "pytorch"
    monkeypatch.setattr(Kernels, "call", faulty("info_nce", fault=stretch))
    said, found = run("faulty")
    assert said == "pytorch"
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
