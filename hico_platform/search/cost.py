"""What the cost of a search depends on: the seconds of a trial's parts, and the machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of an epoch, of a validation at a report, and of the downstream evaluation that ends a trial; bytes of a
    whole checkpoint, and of one cut to its encoder, where they were measured."""

    epoch_s: float
    report_s: float
    evaluation_s: float
    checkpoint_bytes: float | None = None
    encoder_bytes: float | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a search would run on: CPUs and GPUs, and the GPUs that a trial holds if that was measured."""

    cpus: float
    gpus: float
    gpus_per_trial: float | None = None
