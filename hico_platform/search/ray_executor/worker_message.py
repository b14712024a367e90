"""What a worker sends to the driver through Tune: a trial's message, and what the driver learns of the worker."""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome


@dataclass(frozen=True, kw_only=True)
class WorkerProcess:
    """A worker's process and host, and Ray's ids of its machine and actor.

    ``address`` is the machine's IP address, and ``gpus`` are the UUIDs of the GPUs that the process holds.
    """

    pid: int
    host: str
    machine: str
    actor: str
    address: str = ""
    gpus: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For messages."""
        return f"{self.host} (pid {self.pid})"


@dataclass(frozen=True, kw_only=True)
class DiskFull:
    """A full disk stopped the trial; ``reason`` is the error in one line."""

    reason: str


PAUSE = "pause"
"""The driver's answer to a report of a trial that is paused, in place of a decision."""


@dataclass(frozen=True, kw_only=True)
class TaskPaused:
    """The trial has saved its last whole epoch, and its worker ends."""


@dataclass(frozen=True, kw_only=True)
class WorkerMessage:
    """A message of a worker's trial.

    Args:
        content: the trial's own message.
        process: the worker.
        warnings: what this package has logged in the worker since its previous message, at level WARNING or above.
        epochs_s: seconds of the epochs that the worker has not passed on yet.
    """

    content: EpochReport | TrialOutcome | TrialFailure | DiskFull | TaskPaused
    process: WorkerProcess
    warnings: tuple[str, ...] = ()
    epochs_s: tuple[float, ...] = ()
