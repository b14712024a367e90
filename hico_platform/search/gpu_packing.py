"""How many trials share a GPU: arithmetic over what one trial was measured to take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MARGIN = 0.1
"""Part of a GPU's memory that is left free: allocators fragment, and what was measured is a sample."""

SHARES = 10_000  # Ray counts GPUs in ten-thousandths


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """What a search's greediest trial took on one GPU (bytes).

    ``trial_bytes`` are the most that PyTorch held for it, ``context_bytes`` what its process takes besides (the
    CUDA context and kernels), ``device_bytes`` the whole memory of the GPU, ``foreign_bytes`` what processes that
    are none of this search's held before.
    """

    trial_bytes: int
    context_bytes: int
    device_bytes: int
    foreign_bytes: int
    device: str


@dataclass(frozen=True, kw_only=True)
class GpuPacking:
    """How many GPUs a trial holds, measured when a search begins.

    ``probe`` runs on a machine of the cluster that has a whole GPU free; ``settle`` is told the GPUs that a trial
    then holds, and what was measured: nothing where the cluster has no GPU, and trials run on CPUs.
    """

    probe: Callable[[], MemoryNeed]
    settle: Callable[[float, MemoryNeed | None], None]


def trials_on_a_gpu(need: MemoryNeed) -> int:
    """How many trials fit side by side, at least one: a trial that does not fit alone shows it by itself."""
    room = need.device_bytes * (1 - MARGIN) - need.foreign_bytes
    return max(1, int(room // max(need.trial_bytes + need.context_bytes, 1)))


def share_of_a_gpu(trials: int) -> float:
    """What each of ``trials`` holds, so that so many fit and not one more."""
    return min(1.0, max(1, SHARES // trials) / SHARES)
