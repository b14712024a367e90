"""How many trials share a GPU: arithmetic on what one trial was measured to take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MARGIN = 0.1
"""The part of a GPU's memory that is left free: allocators fragment, and a measurement is a sample."""

SHARES = 10_000  # Ray counts GPUs in ten-thousandths


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """What the trial of a search that needs most memory took on one GPU (bytes).

    Args:
        trial_bytes: the most that PyTorch held for it.
        context_bytes: what its process takes besides: the CUDA context and kernels.
        device_bytes: the whole memory of the GPU.
        foreign_bytes: what other users' processes held before.
        device: the GPU's name.
    """

    trial_bytes: int
    context_bytes: int
    device_bytes: int
    foreign_bytes: int
    device: str


@dataclass(frozen=True, kw_only=True)
class GpuSharing:
    """How the GPUs that a trial holds are measured when a search begins.

    Args:
        probe: runs on a machine of the cluster that has a whole GPU free.
        on_measured: called with the GPUs that a trial then holds, and with the measurement: none where the cluster has
            no GPU and trials run on CPUs.
    """

    probe: Callable[[], MemoryNeed]
    on_measured: Callable[[float, MemoryNeed | None], None]


def trials_on_a_gpu(need: MemoryNeed) -> int:
    """How many trials fit side by side, at least one: a trial that does not even fit alone fails by itself."""
    free_bytes = need.device_bytes * (1 - MARGIN) - need.foreign_bytes
    return max(1, int(free_bytes // max(need.trial_bytes + need.context_bytes, 1)))


def memory_fraction(gpus: float) -> float:
    """The part of a GPU's memory that PyTorch may hold for a trial with ``gpus`` of it.

    Of a share the margin stays free, for the CUDA contexts of the trials. What a measurement finds to fit is within it.
    """
    return 1.0 if gpus >= 1 else gpus * (1 - MARGIN)


def share_of_a_gpu(trials: int) -> float:
    """What each of ``trials`` holds, so that this many fit and not one more."""
    return min(1.0, max(1, SHARES // trials) / SHARES)
