"""Whether a trial's resources fit: on this machine before the search starts, on the nodes of a cluster meanwhile."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hico_platform.errors import Problem, UsageError

# Device files of GPUs: NVIDIA, AMD, WSL, others.
_GPU_DEVICES = ("/dev/nvidia[0-9]*", "/dev/kfd", "/dev/dxg", "/dev/dri/renderD*", "/dev/accel*")
_NONE_VISIBLE = ("", "-1", "NoDevFiles", "none", "void")


@dataclass(frozen=True, kw_only=True)
class ResourceOptions:
    """What users call a trial's resources in a command; ``set_cpus`` and ``set_gpus`` are options up to the number."""

    cpus: str
    gpus: str
    set_cpus: str
    set_gpus: str


OF_A_SEARCH = ResourceOptions(
    cpus="resources.cpus", gpus="resources.gpus", set_cpus="--set resources.cpus=", set_gpus="--set resources.gpus="
)
OF_A_RETRAINING = ResourceOptions(cpus="--cpus", gpus="--gpus", set_cpus="--cpus ", set_gpus="--gpus ")


@dataclass(frozen=True, kw_only=True)
class TrialResources:
    """CPUs and GPUs that a trial holds, on one machine."""

    cpus: float
    gpus: float
    options: ResourceOptions = OF_A_SEARCH


def check_fits(trial: TrialResources, *, cpus: float, gpus: float | None) -> None:
    """Checks that a trial can run in a cluster of one machine with ``cpus`` and ``gpus`` (None: not known).

    Raises:
        UsageError: it cannot; the message names what it needs, what there is, and how to ask for less.
    """
    problems = []
    if trial.cpus > cpus:
        problems.append(
            Problem(
                field=trial.options.cpus,
                rule=f"at most the {_number(cpus, 'CPU')} that a search may use on this machine",
                value=trial.cpus,
                remedy=f"give {trial.options.set_cpus}{cpus:g}, or --address for a cluster with larger machines",
            )
        )
    if gpus is not None and trial.gpus > gpus:
        problems.append(
            Problem(
                field=trial.options.gpus,
                rule=f"at most the {_number(gpus, 'GPU')} that a search may use on this machine",
                value=trial.gpus,
                remedy=f"give {trial.options.set_gpus}{gpus:g}, or --address for a cluster with GPUs",
            )
        )
    if problems:
        raise UsageError(problems)


def visible_gpus(environment: Mapping[str, str] = os.environ) -> float | None:
    """0 if this machine has no GPU or hides them from this process, else None: there may be some.

    Ray counts them when it starts; to ask NVIDIA's library here would take seconds and memory.
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in _NONE_VISIBLE:
        return 0.0
    return None if any(glob.glob(pattern) for pattern in _GPU_DEVICES) else 0.0


def trials_at_once(trial: TrialResources, nodes: Sequence[Mapping[str, float]]) -> int:
    """How many trials the nodes of a cluster hold, each on one of them."""
    return sum(_on_one(trial, node) for node in nodes)


def missing(trial: TrialResources, nodes: Sequence[Mapping[str, float]]) -> str | None:
    """A sentence about what no node of a cluster has for a trial; none where a node can hold it."""
    if any(_on_one(trial, node) for node in nodes):
        return None
    needed = _number(trial.cpus, "CPU") + (f" and {_number(trial.gpus, 'GPU')}" if trial.gpus else "")
    largest = max(
        nodes, key=lambda node: (node.get("GPU", 0.0) if trial.gpus else 0.0, node.get("CPU", 0.0)), default={}
    )
    has = f"{_number(largest.get('CPU', 0.0), 'CPU')} and {_number(largest.get('GPU', 0.0), 'GPU')}"
    return (
        f"no machine of the cluster holds a trial: it wants {needed} on one machine "
        f"({trial.options.cpus}, {trial.options.gpus}), and the largest of {len(nodes)} has {has}; "
        "the search waits for one that does"
    )


def _on_one(trial: TrialResources, node: Mapping[str, float]) -> int:
    counts = [node.get("CPU", 0.0) / trial.cpus]
    if trial.gpus > 0:
        held = node.get("GPU", 0.0)
        # Ray takes a share of a GPU from one GPU, so shares that are left on two GPUs cannot be added.
        counts.append(held * int(1 / trial.gpus) if trial.gpus < 1 else held / trial.gpus)
    return int(min(counts))


def _number(count: float, what: str) -> str:
    return f"{count:g} {what}{'' if count == 1 else 's'}"
