"""Where products in bfloat16 are computed by the hardware itself."""

from __future__ import annotations

import torch

from hico_platform.errors import ConfigError, Problem
from hico_platform.vocabulary import Precision


def has_bf16(device: torch.device) -> bool:
    """Whether bf16 products run on the device's own instructions: AVX512-BF16, AMX, Arm's BF16, or such a GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0) or torch.version.hip is not None
    capabilities = torch.backends.cpu.get_cpu_capability()
    if capabilities == "DEFAULT" or "AVX" not in capabilities:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def refuse_missing(precision: Precision, device: torch.device) -> None:
    """Raises ConfigError where ``precision`` would be emulated, which is slower than float32."""
    if precision is Precision.BF16 and not has_bf16(device):
        raise ConfigError(
            Problem(
                field="model.precision",
                rule=f"float32 on this {device.type}, which has no bfloat16 instructions",
                value=precision.value,
                remedy="set model.precision to float32, or run where there are AVX512-BF16, AMX or a newer GPU",
            )
        )
