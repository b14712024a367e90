"""Records to plain values and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hico_platform.search.ledger.base import Ending, Facts, ReportRecord, TrialState
from hico_platform.vocabulary import Decision


def facts_to_plain(facts: Facts) -> dict[str, Any]:
    """Plain values of ``facts``."""
    return {
        "data_digest": facts.data_digest,
        "protocol": facts.protocol,
        "code_version": facts.code_version,
        "seed": facts.seed,
        "more": dict(facts.more),
    }


def facts_from_plain(plain: Mapping[str, Any]) -> Facts:
    """The inverse of :func:`facts_to_plain`."""
    return Facts(**plain)


def report_to_plain(report: ReportRecord) -> dict[str, Any]:
    """Plain values of ``report``."""
    return {
        "epoch": report.epoch,
        "value": report.value,
        "metrics": dict(report.metrics),
        "history": [[epoch, dict(losses)] for epoch, losses in report.history],
        "decision": str(report.decision),
        "checkpoint": report.checkpoint,
        "at_s": report.at_s,
        "measures": list(report.measures),
    }


def report_from_plain(plain: Mapping[str, Any]) -> ReportRecord:
    """The inverse of :func:`report_to_plain`."""
    history = tuple((int(epoch), losses) for epoch, losses in plain["history"])
    measures = tuple(plain.get("measures", ()))
    decision = Decision(plain["decision"])
    return ReportRecord(**{**plain, "history": history, "decision": decision, "measures": measures})


def ending_to_plain(ending: Ending) -> dict[str, Any]:
    """Plain values of ``ending``."""
    return {
        "state": str(ending.state),
        "epoch": ending.epoch,
        "at_s": ending.at_s,
        "metrics": dict(ending.metrics),
        "checkpoint": ending.checkpoint,
        "reason": ending.reason,
        "traceback": ending.traceback,
    }


def ending_from_plain(plain: Mapping[str, Any]) -> Ending:
    """The inverse of :func:`ending_to_plain`."""
    return Ending(**{**plain, "state": TrialState(plain["state"])})
