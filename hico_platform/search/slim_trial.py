"""What a driver keeps of a trial that has ended: what rules ask for, not what the ledger has besides.

A search may have ten thousand trials, and an hour of reports each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from hico_platform.search.ledger.base import Ending, ReportRecord, TrialRecord

_NOTHING: Mapping[str, float] = {}
_NOWHERE = Path()


def slim(trial: TrialRecord, ending: Ending | None) -> TrialRecord:
    """A trial with its ending, without its configuration, metrics and files; one that has not ended stays whole.

    Its reports keep their epochs, values, answers and times.
    """
    if ending is None:
        return trial
    return dataclasses.replace(
        trial,
        state=ending.state,
        ending=dataclasses.replace(ending, metrics=_NOTHING, checkpoint=None, reason=None, traceback=None),
        config=None,
        reports=tuple(_slim(report) for report in trial.reports),
    )


def _slim(report: ReportRecord) -> ReportRecord:
    return ReportRecord(
        epoch=report.epoch,
        metrics=_NOTHING,
        history=(),
        checkpoint=_NOWHERE,
        value=report.value,
        decision=report.decision,
        at_s=report.at_s,
    )
