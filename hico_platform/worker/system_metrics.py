"""What a trial's machine is doing, as metrics by MLflow's names, which it shows on a page of their own.

Sampled once an epoch, from counters that the system keeps anyway: CPU since the sample before, memory and GPU as they
are. ``HICO_SYSTEM_METRICS=off`` leaves them out.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from hico_platform.feature_flags import switched_off

SWITCH = "HICO_SYSTEM_METRICS"
_PREFIX = "system/"
_MEGABYTE = 1e6

Sampler = Callable[[], Mapping[str, float]]


def system_sampler(device: Any = None) -> Sampler:
    """A function that gives what the machine has been doing since it was called last.

    ``cpu_utilization_percentage`` and ``system_memory_usage_...`` are of the whole machine, ``process_...`` of this
    process with its threads (100 % is one core), ``gpu_N_...`` of the GPU that the trial holds. What a machine does not
    tell is left out.

    Args:
        device: the ``torch.device`` that the trial trains on.
    """
    if switched_off(SWITCH):
        return dict
    import psutil

    process = psutil.Process(os.getpid())
    psutil.cpu_percent()  # the first call only begins to count
    process.cpu_percent()

    def sample() -> Mapping[str, float]:
        try:
            memory = psutil.virtual_memory()
            found = {
                "cpu_utilization_percentage": psutil.cpu_percent(),
                "system_memory_usage_megabytes": memory.used / _MEGABYTE,
                "system_memory_usage_percentage": memory.percent,
                "process_cpu_utilization_percentage": process.cpu_percent(),
                "process_memory_usage_megabytes": process.memory_info().rss / _MEGABYTE,
                **_gpu(device),
            }
        except (psutil.Error, OSError) as error:  # a container may hide /proc
            logging.getLogger(__name__).debug("no system metrics: %s", error)
            return {}
        return {f"{_PREFIX}{name}": round(float(value), 1) for name, value in found.items()}

    return sample


def _gpu(device: Any) -> dict[str, float]:
    """Memory of the GPU, as all its users fill it; how busy it is where the driver's library is installed."""
    if device is None or device.type != "cuda":
        return {}
    import torch

    number = torch.cuda.current_device() if device.index is None else device.index
    free, total = torch.cuda.mem_get_info(number)
    found = {
        f"gpu_{number}_memory_usage_megabytes": (total - free) / _MEGABYTE,
        f"gpu_{number}_memory_usage_percentage": 100 * (total - free) / total,
    }
    try:
        found[f"gpu_{number}_utilization_percentage"] = float(torch.cuda.utilization(number))
        found[f"gpu_{number}_power_usage_watts"] = torch.cuda.power_draw(number) / 1000
    except Exception as error:  # without nvidia-ml-py, and on a GPU that says nothing
        logging.getLogger(__name__).debug("no use of the GPU: %s", error)
    return found
