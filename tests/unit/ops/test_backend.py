"""Which kernels are chosen, and that the package works without the folders that hold them."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest
import torch

from hico_platform.feature_flags import without
from hico_platform.ops import _backend
from hico_platform.ops._backend import autocast_dtype, chosen, has_kernels, kernels, without_autocast
from hico_platform.ops.precision import bf16_products

CPU = torch.device("cpu")
needs_kernels = pytest.mark.skipif(not has_kernels(CPU), reason="no CPU kernels: no C compiler, or HICO_KERNELS=off")


@needs_kernels
def test_tensors_of_the_cpu_in_float32_or_bf16_are_its_kernels_and_all_others_pytorchs() -> None:
    x = torch.zeros(1)
    assert chosen(x) == chosen(x.bfloat16(), x) == "cpu"
    assert chosen(x.double()) is None
    assert chosen(x, x.bfloat16()) is None, "weights are float32"
    assert chosen(torch.empty(1, device="meta")) is None
    with without("HICO_KERNELS"):
        assert chosen(x) is None


@needs_kernels
def test_a_module_says_which_tensors_it_supports(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("attention")
    asked = []
    module.supports = lambda x, **sizes: asked.append(sizes) or bool(sizes["lengths"])  # type: ignore[attr-defined]
    monkeypatch.setattr(
        _backend, "_module", {"cpu.attention": module, "cpu.library": _backend._module("cpu.library")}.get
    )
    assert kernels("attention", torch.zeros(1), lengths=(2,)) is module
    assert kernels("attention", torch.zeros(1), lengths=()) is None
    assert asked == [{"lengths": (2,)}, {"lengths": ()}]
    assert kernels("no_such_operation", torch.zeros(1)) is None


def test_a_file_that_is_there_and_cannot_be_imported_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'colour'", name="colour")

    monkeypatch.setattr(_backend, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="colour"):
        _backend._module("cpu.broken_for_a_test")


def test_autocast_says_the_type_of_products() -> None:
    x = torch.zeros(1)
    assert autocast_dtype(x) is torch.float32
    with bf16_products(x, enabled=True):
        assert autocast_dtype(x) is torch.bfloat16
        with without_autocast(x):
            assert autocast_dtype(x) is torch.float32
    with bf16_products(x, enabled=False):
        assert autocast_dtype(x) is torch.float32


@pytest.mark.slow
def test_the_golden_tensors_hold_without_the_folders_of_kernels() -> None:
    code = (
        "import sys\n"
        "sys.modules['hico_platform.ops.cpu'] = sys.modules['hico_platform.ops.cuda'] = None\n"
        "import pytest\n"
        "raise SystemExit(pytest.main(['-q', '-p', 'no:cacheprovider', '-k', 'cpu and not settings', "
        "'tests/unit/model/test_golden.py']))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-2000:]
    assert "passed" in found.stdout
