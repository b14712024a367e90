"""Why a worker was lost, and whether that counts against its trial."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ray.tune.experiment import Trial

HOST_DIED = "node has died"
PREEMPTED = "node was preempted"
"""Ray's words for an actor whose machine went away (in its core worker; Tune notes an error as text)."""

_HEADER = re.compile(r"^Failure # \d+ \(occurred at .*\)$", re.MULTILINE)
_NAMES = ("class_name:", "actor_id:", "pid:", "name:", "namespace:", "ip:")


@dataclass(frozen=True, kw_only=True)
class LostWorker:
    """``counts``: whether the trial may have brought it about; a machine that goes away is not its doing.

    ``blames_machine``: whether the machine, which is still there, may have brought it about.
    """

    reason: str
    counts: bool
    blames_machine: bool = False
    traceback: str | None = None


def lost_worker(text: str) -> LostWorker:
    """What Ray's error ``text`` says about a worker that is gone.

    A machine that was preempted, announced (Ray drains it) or not (it is just gone), never counts: the trial
    would have gone on. A process that died alone counts, since a trial that takes too much memory kills every
    worker that it gets.
    """
    if PREEMPTED in text:
        return LostWorker(reason="its machine was preempted", counts=False)
    if HOST_DIED in text:
        return LostWorker(reason="its machine went away", counts=False)
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(_NAMES)] or ["no reason is known"]
    if "Traceback" in text:
        return LostWorker(reason=lines[-1][:500], counts=True, blames_machine=True, traceback=text)
    telling = lines[1] if len(lines) > 1 and lines[0].startswith("The actor died") else lines[0]
    return LostWorker(reason=f"its process died: {telling[:500]}", counts=True, blames_machine=True)


def last_error(trial: Trial) -> str:
    """The error that Tune noted last for a trial, in the driver's scratch folder."""
    file = trial.error_file
    if file is None or not Path(file).exists():
        return ""
    return _HEADER.split(Path(file).read_text(encoding="utf-8", errors="replace"))[-1]
