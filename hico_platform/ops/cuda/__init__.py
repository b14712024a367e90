"""Kernels for NVIDIA GPUs in Triton, which comes with PyTorch there and compiles them where they run."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

from hico_platform.errors import first_line
from hico_platform.feature_flags import switched_off
from hico_platform.trusted_paths import trusted_folder

_LOG = logging.getLogger(__name__)
_OLDEST = (8, 0)  # the first with bfloat16 and TensorFloat-32


def available(device: torch.device) -> bool:
    """Whether these kernels compute on ``device``: an NVIDIA GPU, with Triton, unless ``HICO_KERNELS=off``."""
    return device.type == "cuda" and not switched_off("HICO_KERNELS") and _compiles()


@cache
def _compiles() -> bool:
    """Whether a first, small kernel compiles and runs here; a warning says what it lacks.

    Raises:
        OutOfMemoryError: which says nothing about that.
    """
    if torch.version.hip is not None or find_spec("triton") is None or torch.cuda.get_device_capability() < _OLDEST:
        return False
    try:
        _trust_triton_cache()
        from hico_platform.ops.cuda.dropout import relu_dropout

        # Nothing is drawn: the state of a generator belongs to a run.
        relu_dropout(torch.ones(1, device="cuda"), dropout=0.0)
        torch.cuda.synchronize()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        _LOG.warning(
            "no GPU kernels (%s), training takes longer: a C compiler and Python's headers make them", first_line(error)
        )
        return False
    return True


def _trust_triton_cache() -> None:
    """Triton loads what lies in its cache unasked: where others may write to it, this process has one of its own.

    Raises:
        OSError: no folder can be trusted.
    """
    try:
        home = os.environ.get("TRITON_HOME")
        usual = (Path.home() if home is None else Path(home)) / ".triton" / "cache"
        trusted_folder(Path(os.environ.get("TRITON_CACHE_DIR", usual)))
    except (OSError, RuntimeError) as error:  # RuntimeError: this user has no home
        _LOG.warning("no cache of GPU kernels, each process compiles them anew: %s", error)
        folder = tempfile.mkdtemp(prefix="hico-platform-triton-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["TRITON_CACHE_DIR"] = str(trusted_folder(Path(folder)))
