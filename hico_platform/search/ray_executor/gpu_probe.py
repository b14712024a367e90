"""Measures, on a GPU of the cluster, what a trial takes of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import ray

from hico_platform.errors import HicoError, Problem
from hico_platform.search.gpu_packing import GpuPacking, MemoryNeed, share_of_a_gpu, trials_on_a_gpu

_log = logging.getLogger(__name__)
LOOK_S = 0.5


def measured_share(packing: GpuPacking, *, cpus: float, interrupted: threading.Event) -> float:
    """The GPUs that a trial holds; none where the cluster has none.

    The probe waits for a GPU that is wholly free, and gives it back before the first trial starts.

    Raises:
        HicoError: the probe failed.
        KeyboardInterrupt: it was interrupted meanwhile.
    """
    if ray.cluster_resources().get("GPU", 0.0) < 1:
        packing.settle(0.0, None)
        return 0.0
    # max_calls: the process ends with the call, and its memory on the GPU with it.
    call = ray.remote(num_gpus=1, num_cpus=cpus, max_calls=1, max_retries=0)(_call)
    probe = call.remote(packing.probe)
    while not ray.wait([probe], timeout=LOOK_S)[0]:
        if interrupted.is_set():
            ray.cancel(probe, force=True)
            raise KeyboardInterrupt
    try:
        need = ray.get(probe)
    except ray.exceptions.RayError as error:
        raise HicoError(
            Problem(
                field="resources.gpus",
                rule="auto measures what a trial takes of a GPU",
                value=str(error).strip().splitlines()[-1],
                remedy="give a number, such as --set resources.gpus=0.25",
            )
        ) from error
    trials = trials_on_a_gpu(need)
    share = share_of_a_gpu(trials)
    _log.info("a trial takes %.0f MiB of a %s: %d share one", need.trial_bytes / 2**20, need.device, trials)
    packing.settle(share, need)
    return share


def _call(probe: Callable[[], MemoryNeed]) -> MemoryNeed:
    return probe()
