"""Why a worker was lost, and whether that counts as a failed attempt of its trial."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ray.tune.experiment import Trial

from hico_platform.search.execution_events import LossCause

HOST_DIED = "node has died"
PREEMPTED = "node was preempted"
"""Ray's words for an actor whose machine went away (in its core worker; Tune notes an error as text)."""

OUT_OF_MEMORY = ("NODE_OUT_OF_MEMORY", "running low on memory", "OutOfMemoryError")
"""Ray's words for a worker that it killed before the machine's memory ran out. No word of CUDA's: that is an error."""

_HEADER = re.compile(r"^Failure # \d+ \(occurred at .*\)$", re.MULTILINE)
_RAISED = re.compile(r"(?:\x1b\[\d+m)?ray::")
"""How Ray's text of an error begins that a worker's code raised; its last line is the error itself."""
_NAMES = ("class_name:", "actor_id:", "pid:", "name:", "namespace:", "ip:")


@dataclass(frozen=True, kw_only=True)
class LostWorker:
    """A worker that was lost.

    Args:
        reason: in one line.
        counts: whether it counts as a failed attempt, since the trial may have caused it. The loss of a machine does
            not.
        cause: the kind of loss.
        blames_machine: whether the machine, which is still there, may have caused it.
        traceback: where an error was raised, if one was.
    """

    reason: str
    counts: bool
    cause: LossCause
    blames_machine: bool = False
    traceback: str | None = None


def lost_worker(text: str) -> LostWorker:
    """Reads Ray's error ``text`` about a lost worker.

    Node loss does not count as a failed attempt, whether the preemption was announced (Ray drains the node) or not: the
    trial would have gone on. A process that died alone counts, since a trial that takes too much memory kills
    every worker that it gets.
    """
    if PREEMPTED in text:
        return LostWorker(reason="its machine was preempted", counts=False, cause=LossCause.PREEMPTED)
    if HOST_DIED in text:
        return LostWorker(reason="its machine went away", counts=False, cause=LossCause.MACHINE_LOST)
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(_NAMES)] or ["no reason is known"]
    if "Traceback" in text or _RAISED.match(lines[0]):
        return LostWorker(
            reason=lines[-1][:500], counts=True, cause=LossCause.ERROR, blames_machine=True, traceback=text
        )
    said = lines[1] if len(lines) > 1 and lines[0].startswith("The actor died") else lines[0]
    return LostWorker(
        reason=f"its process died: {said[:500]}",
        counts=True,
        cause=LossCause.OUT_OF_MEMORY if any(words in text for words in OUT_OF_MEMORY) else LossCause.WORKER_DIED,
        blames_machine=True,
    )


def last_error(trial: Trial) -> str:
    """The last error that Tune wrote for a trial into the driver's scratch folder."""
    file = trial.error_file
    if file is None or not Path(file).exists():
        return ""
    return _HEADER.split(Path(file).read_text(encoding="utf-8", errors="replace"))[-1]
