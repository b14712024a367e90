"""Measures, on a GPU of the cluster, what a trial takes of it."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator

import ray

from hico_platform.errors import HicoError, Problem
from hico_platform.search.gpu_sharing import GpuSharing, MemoryNeed, share_of_a_gpu, trials_on_a_gpu

_log = logging.getLogger(__name__)
POLL_S = 0.5
WAIT_S = 30.0
"""After so long without a free GPU a warning says what the search waits for."""
MEASURE_S = 30 * 60.0
"""A measurement takes a minute or two; one that takes so long hangs."""


def measured_share(sharing: GpuSharing, *, cpus: float, interrupted: threading.Event) -> float:
    """Measures the GPUs that a trial holds; 0 where the cluster has none.

    The probe waits for a GPU that is wholly free, and releases it before the first trial starts.

    Raises:
        HicoError: the probe failed, or hangs.
        KeyboardInterrupt: it was interrupted meanwhile.
    """
    if ray.cluster_resources().get("GPU", 0.0) < 1:
        sharing.on_measured(0.0, None)
        return 0.0
    # max_calls: the process ends with the call, and its memory on the GPU with it.
    options = {"num_gpus": 1, "num_cpus": cpus, "max_calls": 1, "max_retries": 0, "num_returns": "streaming"}
    answers = ray.remote(**options)(_call).remote(sharing.probe)
    host: str | None = None
    need: MemoryNeed | None = None
    waited_s = 0.0
    try:
        while need is None:
            if not ray.wait([answers], timeout=POLL_S)[0]:
                waited_s += POLL_S
                if interrupted.is_set():
                    raise KeyboardInterrupt
                if host is None and waited_s == WAIT_S:
                    _log.warning("no GPU of the cluster is wholly free yet; resources.gpus: auto waits for one")
                if host is not None and waited_s > MEASURE_S:
                    raise _failed(f"the measurement on {host} took more than {MEASURE_S / 60:.0f} min")
                continue
            answer = ray.get(next(answers))
            if host is None:
                host, waited_s = answer, 0.0
            else:
                need = answer
    except ray.exceptions.RayError as error:
        raise _failed(str(error).strip().splitlines()[-1]) from error
    finally:
        if need is None:
            ray.cancel(answers, force=True)
    trials = trials_on_a_gpu(need)
    share = share_of_a_gpu(trials)
    _log.info("a trial takes %.0f MiB of a %s: %d share one", need.trial_bytes / 2**20, need.device, trials)
    sharing.on_measured(share, need)
    return share


def _failed(value: str) -> HicoError:
    return HicoError(
        Problem(
            field="resources.gpus",
            rule="a GPU on which auto can measure what a trial takes",
            value=value,
            remedy="give a number, such as --set resources.gpus=0.25",
        )
    )


def _call(probe: Callable[[], MemoryNeed]) -> Iterator[str | MemoryNeed]:
    """Yields the host once a GPU is held, then the measurement."""
    yield socket.gethostname()
    yield probe()
