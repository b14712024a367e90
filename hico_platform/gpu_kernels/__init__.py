"""Kernels for NVIDIA GPUs, in Triton, which comes with PyTorch there and compiles them where they run."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

from torch import Tensor

_OFF = "HICO_KERNELS"


def usable(*tensors: Tensor) -> bool:
    """Whether these kernels take these tensors: on a GPU, with Triton, unless ``HICO_KERNELS=off``."""
    return all(tensor.is_cuda for tensor in tensors) and _wanted() and _has_triton()


def _wanted() -> bool:
    return os.environ.get(_OFF, "").lower() not in ("off", "0")


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
