"""GPUs of this machine that other processes use: a search's own cluster leaves them alone."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from hico_platform.errors import Problem, UsageError
from hico_platform.search.gpu_sharing import MARGIN

_log = logging.getLogger(__name__)
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, kw_only=True)
class GpuUse:
    """A GPU, and the memory that other processes hold of it (bytes)."""

    uuid: str
    name: str
    foreign_bytes: int
    total_bytes: int

    @property
    def is_busy(self) -> bool:
        """Whether others hold more than a desktop does: more than the margin that trials leave free."""
        return self.foreign_bytes > MARGIN * self.total_bytes

    def __str__(self) -> str:
        held, total = self.foreign_bytes / 2**30, self.total_bytes / 2**30
        return f"{self.name}, {self.uuid}: {held:.1f} of {total:.1f} GiB are held by other processes"


@contextlib.contextmanager
def busy_gpus_left_alone(
    *, library: Any = None, environment: MutableMapping[str, str] = os.environ
) -> Iterator[tuple[GpuUse, ...]]:
    """Hides busy GPUs from what is started in the block, unless the user has said which GPUs are visible.

    Args:
        library: NVIDIA's management library; by default the one that Ray brings.
        environment: where they are hidden.

    Raises:
        UsageError: others use all of them.
    """
    found = () if VISIBLE in environment else gpus_in_use(library=library)
    busy = tuple(gpu for gpu in found if gpu.is_busy)
    if not busy:
        yield ()
        return
    if len(busy) == len(found):
        raise UsageError(
            Problem(
                field="GPU",
                rule="a GPU of which others use at most a tenth",
                value="; ".join(map(str, busy)),
                remedy=f"wait for it, or name the GPUs that are to be used all the same, as {VISIBLE}=0",
            )
        )
    for gpu in busy:
        _log.warning("%s; it is left alone (%s names GPUs that are to be used all the same)", gpu, VISIBLE)
    environment[VISIBLE] = ",".join(gpu.uuid for gpu in found if not gpu.is_busy)
    try:
        yield busy
    finally:
        environment.pop(VISIBLE, None)


def gpus_in_use(*, library: Any = None) -> tuple[GpuUse, ...]:
    """All GPUs of this machine with what others hold of them; none where NVIDIA's library cannot be asked."""
    with contextlib.suppress(Exception):  # of AMD, or without NVIDIA's driver
        if library is None:
            from ray._private.thirdparty import pynvml

            library = pynvml
        library.nvmlInit()
        try:
            return tuple(_use(library, index) for index in range(library.nvmlDeviceGetCount()))
        finally:
            library.nvmlShutdown()
    return ()


def _use(nvml: Any, index: int) -> GpuUse:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    own = _own_bytes(nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    return GpuUse(
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(nvml.nvmlDeviceGetName(handle)),
        foreign_bytes=max(0, int(memory.used) - own),
        total_bytes=int(memory.total),
    )


def _own_bytes(processes: Sequence[Any]) -> int:
    """What this process holds, as a notebook may; not known in some containers."""
    return sum(int(one.usedGpuMemory or 0) for one in processes if one.pid == os.getpid())


def _text(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else str(text)
