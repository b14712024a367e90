"""How a search's trials are executed, and on which cluster: what a command asks of the executor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hico_platform.search.gpu_sharing import GpuSharing
from hico_platform.search.resources import OF_A_SEARCH, ResourceOptions


@dataclass(frozen=True, kw_only=True)
class TrialExecution:
    """What each trial holds, how many run at once, and when a worker is given up.

    Args:
        cpus: CPUs that a trial holds.
        gpus: GPUs that a trial holds, or how they are measured before the first task is handed out.
        max_concurrent: most trials at once; by default all that the cluster holds, which may change.
        retries: how often a task is handed out again whose worker died, hung or was occupied too long. The loss of a
            machine (it was preempted or went away) does not count.
        silence_minutes: how long a worker may send no heartbeat before it is killed; by default this follows from the
            epochs so far.
        trial_hours: the longest that a trial may occupy a worker at a stretch.
        options: what users call a trial's resources, for messages.
    """

    cpus: float
    gpus: float | GpuSharing
    max_concurrent: int | None = None
    retries: int = 3
    silence_minutes: float | None = None
    trial_hours: float | None = None
    options: ResourceOptions = OF_A_SEARCH


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """The cluster that trials run on.

    Args:
        address: an existing cluster; without one the search starts a cluster of its own on this machine.
        runtime_env: code, packages and variables that workers need, as Ray takes them.
        cpus: CPUs of the search's own cluster, by default the machine's.
        gpus: GPUs of the search's own cluster, by default the machine's.
    """

    address: str | None = None
    runtime_env: Mapping[str, Any] | None = None
    cpus: int | None = None
    gpus: int | None = None
