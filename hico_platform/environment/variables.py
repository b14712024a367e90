"""The variables of the environment that may make a difference to a run, without secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from hico_platform.masking import MASK, holds_secret, masked, secrets_of

MOST_CHARACTERS = 2000
"""Of a value that is kept."""

# That may change a number: arithmetic, threads, kernels, seeds, which library is loaded.
_OF_NUMBERS = (
    "CUBLAS_", "CUDNN_", "HICO_CUDA_GRAPHS", "HICO_KERNELS", "KMP_", "LD_PRELOAD", "MKL_", "NVIDIA_TF32_OVERRIDE",
    "OMP_", "OPENBLAS_", "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTORCH_", "TORCH", "TRITON_",
)  # fmt: skip
# That tell where and how it ran.
_OF_PLACES = (
    "CC", "CONDA_PREFIX", "CUDA_", "HICO_", "HTTPS_PROXY", "HTTP_PROXY", "KUBERNETES_SERVICE_HOST", "LANG", "LC_ALL",
    "LD_LIBRARY_PATH", "MALLOC_", "MLFLOW_", "NCCL_", "NO_PROXY", "NVIDIA_", "PYTHON", "RAY_", "SLURM_", "TMPDIR", "TZ",
    "VIRTUAL_ENV", "https_proxy", "http_proxy", "no_proxy",
)  # fmt: skip
_WHOLE = {"CC", "LANG", "TZ"}
# Of nothing but a place, or of a debugger.
_NOT_OF_NUMBERS = re.compile(
    r"TORCH(?:INDUCTOR)?_(?:HOME|CACHE_DIR|LOGS)|TRITON_(?:CACHE|HOME|DUMP)\w*|PYTORCH_KERNEL_\w*"
)
# An address for messages may hold its secret anywhere, whatever its variable is called.
_SECRET = re.compile(r"\w*_(?:KEY|AUTH|COOKIE|NOTIFY)")
_ADDRESSES = ("HICO_STORAGE",)


def variables(environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """The variables that matter, by name in order, with secrets masked."""
    names = sorted(name for name in environment if _begins(name, (*_OF_NUMBERS, *_OF_PLACES)))
    return {name: _shown(name, environment[name])[:MOST_CHARACTERS] for name in names}


def may_change_numbers(name: str) -> bool:
    """Whether a variable may change what is computed, and not only where."""
    return _begins(name, _OF_NUMBERS) and not _NOT_OF_NUMBERS.fullmatch(name)


def _begins(name: str, beginnings: tuple[str, ...]) -> bool:
    return any(name == one if one in _WHOLE else name.startswith(one) for one in beginnings)


def _shown(name: str, value: str) -> str:
    if _SECRET.fullmatch(name) or (name.startswith("HICO_") and "://" in value and name not in _ADDRESSES):
        return MASK
    text = masked(value, secrets=secrets_of(value))
    return MASK if text == value and holds_secret(value, name=name) else text
