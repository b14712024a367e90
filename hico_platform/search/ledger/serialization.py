"""Records to plain values and back.

On reading, a field that this version does not know is ignored, so that a newer version's records can be shown; a value
that it does not know (a state, a decision) is an error.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hico_platform.enums import Decision
from hico_platform.errors import DataError, Problem, UsageError
from hico_platform.search.drivers import MOST_OF_A_COMMAND, UNKNOWN, DriverRecord, printable
from hico_platform.search.ledger import record_fields
from hico_platform.search.ledger.base import Ending, Facts, ReportRecord, TrialState
from hico_platform.search.ledger.record_fields import check_record
from hico_platform.search.ledger.undecoded import UndecodedHistory


@contextmanager
def readable(name: str, *, written_by: object) -> Iterator[None]:
    """Turns any error from reading another version's records into one that names the search.

    Args:
        name: the search that is read.
        written_by: the version that its ledger names, if any.

    Raises:
        UsageError: this version cannot read the records.
        DataError: a field of one holds what no version wrote; the search is named too.
    """
    try:
        yield
    except DataError as error:
        named = [one if one.file else dataclasses.replace(one, file=f"search {name}") for one in error.problems]
        raise DataError(named) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            Problem(
                field=name,
                rule="a search that this version can read",
                value=f"{type(error).__name__}: {error}",
                remedy=f"use the version that wrote it ({written_by or 'unknown'}), or a newer one",
            )
        ) from error


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
    """The inverse of :func:`facts_to_plain`; raises DataError where a field holds another type."""
    check_record("facts", plain, record_fields.FACTS)
    return Facts(**_known(Facts, plain))


def report_to_plain(report: ReportRecord) -> dict[str, Any]:
    """Plain values of ``report``."""
    noise = {"standard_errors": dict(report.standard_errors), "standard_error": report.standard_error}
    return {
        "epoch": report.epoch,
        "value": report.value,
        "metrics": dict(report.metrics),
        "history": [[epoch, dict(losses)] for epoch, losses in report.history],
        "decision": str(report.decision),
        "checkpoint": str(report.checkpoint),
        "at_s": report.at_s,
        "measures": list(report.measures),
        **(noise if report.standard_errors else {}),
        **({} if report.machine is None else {"machine": report.machine}),
    }


def report_from_plain(plain: Mapping[str, Any], *, record: str = "report") -> ReportRecord:
    """The inverse of :func:`report_to_plain`; raises DataError, which names ``record``, where a field is of another
    type."""
    check_record(record, plain, record_fields.REPORT)
    history = plain["history"]
    if isinstance(history, UndecodedHistory):
        history.check = lambda value: check_record(record, {"history": value}, record_fields.REPORT)
    else:
        history = tuple((int(epoch), losses) for epoch, losses in history)
    fields = _known(ReportRecord, plain)
    fields["history"] = history
    fields["decision"] = Decision(plain["decision"])
    fields["checkpoint"] = Path(plain["checkpoint"])
    fields["measures"] = tuple(plain.get("measures", ()))
    return ReportRecord(**fields)


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
        "excused": ending.excused,
    }


def ending_from_plain(plain: Mapping[str, Any], *, record: str = "ending") -> Ending:
    """The inverse of :func:`ending_to_plain`; raises DataError, which names ``record``, where a field is of another
    type."""
    check_record(record, plain, record_fields.ENDING)
    fields = _known(Ending, plain)
    fields["state"] = TrialState(plain["state"])
    return Ending(**fields)


def driver_to_plain(driver: DriverRecord) -> dict[str, Any]:
    """Plain values of ``driver``."""
    return dataclasses.asdict(driver)


def driver_from_plain(plain: Any) -> DriverRecord:
    """The inverse of :func:`driver_to_plain`, for whatever another version or another program wrote.

    These values are only shown and compared, so a missing or invalid one is read as unknown, and does not prevent
    opening the search.
    """
    content: Mapping[str, Any] = plain if isinstance(plain, Mapping) else {}
    took_over_from = content.get("took_over_from")
    return DriverRecord(
        user=_text(content.get("user")),
        uid=_whole_number(content.get("uid")),
        host=_text(content.get("host")),
        pid=_whole_number(content.get("pid")),
        command=_text(content.get("command"), most=MOST_OF_A_COMMAND),
        began_at_s=_number(content.get("began_at_s")),
        resumed=content.get("resumed") is True,
        took_over_from=None if took_over_from is None else _text(took_over_from),
    )


def _text(value: object, *, most: int = 255) -> str:
    return printable(value)[:most] if isinstance(value, str) else UNKNOWN


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
    except OverflowError:
        return 0.0


def _known(kind: type, plain: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``plain`` that ``kind`` has."""
    names = _fields(kind)
    if plain.keys() <= names:  # so it is, but for another version's: of thousands of reports a copy is quicker
        return dict(plain)
    return {name: value for name, value in plain.items() if name in names}


@functools.cache
def _fields(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind))
