"""What the rule of a space says of each ended trial's checkpoint: kept whole, as an encoder alone, or not at all.

A pure function of the ledger's trials. As trials end, what it says of a trial only ever gets less, since the ranks of
those that have ended can only fall. So nothing is removed that would be wanted later.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hico_platform.config.space import Objective
from hico_platform.config.space_settings import KeepConfig, Rest
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.objectives import pareto_front

DAY_S = 86_400.0


class Kept(StrEnum):
    """What is kept of a trial's checkpoint, from most to least."""

    WHOLE = "whole"
    ENCODER = "encoder alone"
    NOTHING = "removed"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is kept of an ended trial's checkpoint, and why, in words that follow a colon."""

    kept: Kept
    why: str


def verdicts(
    trials: Sequence[TrialRecord],
    keep: KeepConfig,
    *,
    objectives: Sequence[Objective],
    now_s: float,
    referred: Collection[int] = (),
) -> dict[int, Verdict]:
    """What the rule says of each trial that has ended, by number.

    Trials that run, wait or are paused are not in it: a resume needs their checkpoints.

    Args:
        trials: of the search, with or without those that have not ended.
        keep: the rule of its space.
        objectives: of its space; with several, the trials of the Pareto front are kept whole too.
        now_s: Unix time.
        referred: trials whose checkpoints something unfinished refers to, such as a reproduction; kept whole.
    """
    ended = [trial for trial in trials if trial.ending is not None]
    whole: dict[int, str] = {}
    scored = [trial for trial in ended if trial.value is not None and trial.state is not TrialState.FAILED]
    for trial in pareto_front(scored, objectives) if len(objectives) > 1 else ():
        whole[trial.number] = "it is on the Pareto front"
    for trial in sorted(scored, key=_of_all)[: keep.best]:
        whole.setdefault(trial.number, f"one of the best {keep.best}")
    rungs: dict[int, list[TrialRecord]] = {}
    for trial in scored:
        rungs.setdefault(trial.epoch, []).append(trial)
    for epoch, ended_there in rungs.items():
        for trial in sorted(ended_there, key=_of_rung)[: keep.per_rung]:
            whole.setdefault(trial.number, f"one of the best {keep.per_rung} that ended at epoch {epoch}")
    for number in referred:
        whole[number] = "an unfinished reproduction compares with it"
    return {
        trial.number: Verdict(kept=Kept.WHOLE, why=whole[trial.number])
        if trial.number in whole
        else _rest(trial, keep, now_s=now_s)
        for trial in ended
    }


def next_change_s(trials: Mapping[int, Verdict], ended_at_s: Mapping[int, float], keep: KeepConfig) -> float:
    """The Unix time at which the next encoder has been kept for as many days as the rule says; infinite without one."""
    if keep.days is None:
        return math.inf
    kept = (ended_at_s[number] for number, verdict in trials.items() if verdict.kept is Kept.ENCODER)
    return min(kept, default=math.inf) + keep.days * DAY_S


def _rest(trial: TrialRecord, keep: KeepConfig, *, now_s: float) -> Verdict:
    """What becomes of a trial that is not kept whole."""
    if trial.state is TrialState.FAILED:
        why = "it failed"
    else:
        rungs = f", nor of the best {keep.per_rung} that ended at epoch {trial.epoch}" if keep.per_rung else ""
        why = f"not one of the best {keep.best}{rungs}"
    if keep.encoder_only is Rest.NONE:
        return Verdict(kept=Kept.NOTHING, why=why)
    at_s = now_s if trial.ending is None else trial.ending.at_s
    if keep.days is not None and now_s - at_s >= keep.days * DAY_S:
        return Verdict(kept=Kept.NOTHING, why=f"{why}, and it ended {keep.days:g} days ago or more")
    return Verdict(kept=Kept.ENCODER, why=why)


def _of_all(trial: TrialRecord) -> tuple[bool, int, float, int]:
    """Sorts as the best trial is chosen: complete ones by score, then the others by epochs and score."""
    complete = trial.state is TrialState.COMPLETE
    return not complete, 0 if complete else -trial.epoch, -_number(trial.value), trial.number


def _of_rung(trial: TrialRecord) -> tuple[float, int]:
    return -_number(trial.value), trial.number


def _number(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value
