"""Kernels for NVIDIA GPUs, in Triton and CUDA C++, compiled where they run by what comes with PyTorch there."""

from __future__ import annotations

import logging
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from hico_platform.errors import first_line
from hico_platform.switches import switched_off

_LOG = logging.getLogger(__name__)
_OLDEST = (8, 0)  # the first with bfloat16 and TensorFloat-32


def available(device: torch.device) -> bool:
    """Whether these kernels compute on ``device``: an NVIDIA GPU, with Triton, unless ``HICO_KERNELS=off``."""
    return device.type == "cuda" and not switched_off("HICO_KERNELS") and _compiles()


def usable(*tensors: Tensor) -> bool:
    """Whether these kernels take these tensors: all on the current GPU, if it is such, in float32 or bfloat16."""
    kinds = (torch.float32, torch.bfloat16)
    if not all(tensor.is_cuda and tensor.dtype in kinds for tensor in tensors):
        return False
    return tensors[0].get_device() == torch.cuda.current_device() and available(tensors[0].device)


@cache
def _compiles() -> bool:
    """Whether a first, small kernel compiles and runs here; a warning says what it lacks.

    Raises:
        OutOfMemoryError: which says nothing about that.
    """
    if torch.version.hip is not None or find_spec("triton") is None or torch.cuda.get_device_capability() < _OLDEST:
        return False
    try:
        from hico_platform.gpu_kernels.dropout import DeviceDrop, dropped

        # Nothing is drawn: the state of a generator belongs to a run.
        dropped(torch.ones(1, device="cuda"), DeviceDrop(0.5, training=False, device=torch.device("cuda")))
        torch.cuda.synchronize()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        _LOG.warning(
            "no GPU kernels (%s), training takes longer: a C compiler and Python's headers make them", first_line(error)
        )
        return False
    return True
