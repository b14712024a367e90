"""Searches and trials as a ledger would give them, written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hico_platform.config.space import CheckedSpace
from hico_platform.enums import Decision
from hico_platform.search.ledger.base import (
    Ending,
    Origin,
    ReportRecord,
    SearchRecord,
    TrialRecord,
    TrialState,
    best_trial,
    whole_config,
)
from hico_platform.search.status import Cost, SearchStatus
from tests.toy import FACTS, toy_space

SPACE = toy_space(trials=5)
DRIVER = {"pid": 7, "host": "gpu-1", "since_s": 0.0}


def report(epoch: int, value: float, **more: Any) -> ReportRecord:
    """A report at 100 s an epoch."""
    known: dict[str, Any] = {
        "metrics": {"knn_top1": value}, "history": (), "checkpoint": Path(f"epoch-{epoch}"),
        "decision": Decision.CONTINUE, "at_s": 100.0 * epoch, "measures": (value,),
    }  # fmt: skip
    return ReportRecord(epoch=epoch, value=value, **(known | more))


def trial(
    number: int,
    state: TrialState = TrialState.COMPLETE,
    *,
    curve: Mapping[int, float] | None = None,
    error: float | None = None,
    ending: Mapping[str, Any] | None = None,
    **more: Any,
) -> TrialRecord:
    """A trial that reported ``curve`` and ended 50 s later with ``ending``."""
    values = more.pop("values", {"contrast.temperature": 0.125, "model.encoder": "lstm"})
    curve = {1: 0.25, 9: 0.5} if curve is None else curve
    last = max(curve, default=0)
    end = {"epoch": last, "at_s": 100.0 * last + 50, **(ending or {})}
    return TrialRecord(
        number=number,
        state=state,
        values=values,
        **{"origin": Origin.SAMPLER, "began_at_s": 0.0, "config": whole_config(SPACE, values)} | more,
        reports=tuple(report(epoch, value, standard_error=error) for epoch, value in curve.items()),
        ending=Ending(state=state, **end) if state.is_final else None,
    )


def status(*trials: TrialRecord, space: CheckedSpace = SPACE, name: str = "toy", **more: Any) -> SearchStatus:
    """The search that has these trials; no driver has it."""
    known: dict[str, Any] = {
        "search": SearchRecord(name=name, source=space.source, facts=FACTS, limit=5, began_at_s=0.0, key="k"),
        "best": best_trial(trials), "driver": None, "drivers": (), "seconds_left": None, "ended_by": None,
        "cost": Cost(trial_hours=1.0, cpu_hours=2.0, gpu_hours=0.0), "gpus": 0.0, "machines_left_out": (),
        "at_s": 5000.0,
    }  # fmt: skip
    return SearchStatus(space=space, trials=trials, **(known | more))
