"""Kernels for NVIDIA GPUs, in Triton, which comes with PyTorch there and compiles them where they run."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

_OFF = "HICO_KERNELS"


def available(device: torch.device) -> bool:
    """Whether these kernels compute on ``device``: an NVIDIA GPU, with Triton, unless ``HICO_KERNELS=off``."""
    return device.type == "cuda" and _has_triton() and os.environ.get(_OFF, "").lower() not in ("off", "0", "no")


def usable(*tensors: Tensor) -> bool:
    """Whether these kernels take these tensors: all on such a GPU, in float32 or bfloat16."""
    kinds = (torch.float32, torch.bfloat16)
    return all(tensor.is_cuda and tensor.dtype in kinds for tensor in tensors) and available(tensors[0].device)


@cache
def _has_triton() -> bool:
    return torch.version.hip is None and find_spec("triton") is not None
