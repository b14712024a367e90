"""What happens to the workers of a search or a retraining, for those who watch it: metrics, and not the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class LossCause(StrEnum):
    """Why a task lost its worker. The values are labels of metrics."""

    PREEMPTED = "preempted"
    """Its machine was preempted."""

    MACHINE_LOST = "machine_lost"
    """Its machine went away."""

    OUT_OF_MEMORY = "out_of_memory"
    """Ray killed the worker before the machine's memory ran out."""

    WORKER_DIED = "worker_died"
    """Its process died."""

    SILENT = "silent"
    """It sent no heartbeat for too long, and was killed."""

    OVERTIME = "overtime"
    """It held a worker for longer than ``resources.trial_hours``, and was killed."""

    ERROR = "error"
    """It raised an error, and is tried on another machine first."""

    NO_ROOM = "no_room"
    """No machine had room for it."""


@dataclass(frozen=True, kw_only=True)
class WorkerAssigned:
    """A worker has taken up task ``number``.

    Args:
        number: of the task.
        host: the machine's name.
        address: the machine's IP address, as Ray knows it; empty where it is not known.
        pid: the worker's process.
        gpus: what tells the GPUs that it holds from all others: their UUIDs.
    """

    number: int
    host: str
    address: str
    pid: int
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WorkerProgressed:
    """Heartbeats of task ``number`` came; ``epochs_s`` are the seconds of the epochs that ended meanwhile."""

    number: int
    epochs_s: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WorkerLost:
    """Task ``number`` lost its worker; ``retried`` tells whether it may be handed out again."""

    number: int
    cause: LossCause
    retried: bool


@dataclass(frozen=True, kw_only=True)
class WorkerReleased:
    """Task ``number`` was paused, and has given its worker back."""

    number: int


@dataclass(frozen=True, kw_only=True)
class MachineExcluded:
    """A machine gets no further task."""

    host: str


@dataclass(frozen=True, kw_only=True)
class DriverChecked:
    """The driver went through its loop, and has looked after its workers."""


ExecutionEvent = WorkerAssigned | WorkerProgressed | WorkerLost | WorkerReleased | MachineExcluded | DriverChecked
ExecutionObserver = Callable[[ExecutionEvent], None]


def nobody_watches(event: ExecutionEvent) -> None:
    """The observer of those who watch nothing."""
