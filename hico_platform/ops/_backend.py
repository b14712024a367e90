"""Which kernels compute an operation: the only module that asks for a device, a type, autocast or ``HICO_KERNELS``.

``ops/cpu`` holds C kernels and ``ops/cuda`` Triton kernels, one file an operation under the same name in both. Without
a folder, a file in it or what it needs (a C compiler, an NVIDIA GPU with Triton), PyTorch's own operators compute.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor


def kernels(operation: str, x: Tensor, *weights: Tensor, **sizes: object) -> ModuleType | None:
    """The module with the kernels of ``operation`` (a file name in ops/cpu or ops/cuda) for these tensors, or None.

    A module says by its function ``supports`` which tensors and ``sizes`` it takes.
    """
    backend = chosen(x, *weights)
    module = None if backend is None else _module(f"{backend}.{operation}")
    return module if module is not None and module.supports(x, *weights, **sizes) else None


def chosen(x: Tensor, *weights: Tensor) -> str | None:
    """ "cpu" or "cuda": the folder whose kernels can work on ``x``, with ``weights`` in float32; None for PyTorch."""
    if x.dtype not in (torch.float32, torch.bfloat16) or torch.compiler.is_compiling():
        return None
    if x.device.type == "cpu" and all(weight.dtype is torch.float32 for weight in weights):
        return "cpu" if has_kernels(x.device) else None
    if x.is_cuda and x.get_device() == torch.cuda.current_device():
        others = all(weight.is_cuda and weight.dtype in (torch.float32, torch.bfloat16) for weight in weights)
        return "cuda" if others and has_kernels(x.device) else None
    return None


def has_kernels(device: torch.device) -> bool:
    """Whether kernels of this package compute on ``device``: they do unless something lacks or ``HICO_KERNELS=off``."""
    if device.type == "cpu":
        library = _module("cpu.library")
        return library is not None and library.kernels() is not None
    cuda = _module("cuda")
    return cuda is not None and bool(cuda.available(device))


@cache
def _module(name: str) -> ModuleType | None:
    """``hico_platform.ops.<name>``; None where there is no such file."""
    full_name = f"hico_platform.ops.{name}"
    try:
        return import_module(full_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{full_name}.".startswith(f"{error.name}."):
            raise  # the file is there, and something that it imports is not
        return None


def autocast_dtype(x: Tensor) -> torch.dtype:
    """In which type products with ``x`` are computed: autocast's where it is on, else float32."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32


def without_autocast(x: Tensor) -> AbstractContextManager[None]:
    """Has operators compute in the types of their arguments."""
    return torch.autocast(x.device.type, enabled=False)
