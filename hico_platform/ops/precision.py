"""In what products are computed, and where the hardware itself does so."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor

from hico_platform.enums import Precision
from hico_platform.errors import ConfigError, Problem
from hico_platform.ops._backend import has_kernels


def has_bf16(device: torch.device) -> bool:
    """Whether bf16 products run on the device's own instructions: AVX512-BF16, AMX, Arm's BF16, or such a GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0) or torch.version.hip is not None
    capabilities = torch.backends.cpu.get_cpu_capability()
    if capabilities == "DEFAULT" or "AVX" not in capabilities:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def has_tf32(device: torch.device) -> bool:
    """Whether the device multiplies float32 as TensorFloat-32: NVIDIA's GPUs from Ampere on."""
    return device.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0)


def resolve_precision(precision: Precision, device: torch.device) -> Precision:
    """What ``precision`` means on ``device``: AUTO is TF32 where the device has it, else FLOAT32; others stay."""
    if precision is not Precision.AUTO:
        return precision
    return Precision.TF32 if has_tf32(device) else Precision.FLOAT32


def refuse_missing(precision: Precision, device: torch.device) -> None:
    """Raises ConfigError where ``precision`` would be emulated, which is slower than float32, or not be used."""
    if precision is Precision.BF16 and not has_bf16(device):
        _refuse(precision, device, lacks="bfloat16", where="there are AVX512-BF16, AMX or a newer GPU")
    if precision is Precision.TF32 and not has_tf32(device):
        _refuse(precision, device, lacks="TensorFloat-32", where="there is an NVIDIA GPU, Ampere or newer")


def _refuse(precision: Precision, device: torch.device, *, lacks: str, where: str) -> None:
    raise ConfigError(
        Problem(
            field="model.precision",
            rule=f"float32 on this {device.type}, which has no {lacks} instructions",
            value=precision.value,
            remedy=f"set model.precision to float32, or run where {where}",
        )
    )


def arithmetic(device: torch.device) -> str:
    """Whose operators compute on ``device``, which decides the last bits and what dropout draws."""
    return "kernels" if has_kernels(device) else "pytorch"


@contextmanager
def float32_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """Has a GPU's float32 products be exact, or TensorFloat-32: all in tf32, in bf16 those of recurrences.

    PyTorch's own default is exact for products and TensorFloat-32 for cuDNN's recurrences.
    """
    if device.type != "cuda":
        yield
        return
    with warnings.catch_warnings():  # newer PyTorch would rather have names that older ones lack
        warnings.simplefilter("ignore")
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = precision is Precision.TF32
        torch.backends.cudnn.allow_tf32 = precision is not Precision.FLOAT32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def products_in_tf32() -> bool:
    """Whether a GPU's float32 products are TensorFloat-32 now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(torch.backends.cuda.matmul.allow_tf32)


def recurrences_in_tf32() -> bool:
    """Whether a recurrence's are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(torch.backends.cudnn.allow_tf32)


def bf16_products(x: Tensor, *, enabled: bool) -> AbstractContextManager[None]:
    """Has products with ``x`` be computed in bfloat16 if ``enabled``."""
    return torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=enabled)
