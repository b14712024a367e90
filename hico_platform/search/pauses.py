"""When trials were paused: time that no worker spent on them. Kept in the ledger's note ``pauses``, by number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

Pause = tuple[float, float | None]
"""Since when and until when a trial was paused (Unix times); no end while it is."""


def pauses_from(note: object) -> dict[int, tuple[Pause, ...]]:
    """The pauses of each trial that the ledger's note tells of; what cannot be read is left out."""
    if not isinstance(note, Mapping):
        return {}
    return {
        int(number): tuple(
            (float(one[0]), None if one[1] is None else float(one[1])) for one in pauses if _is_pause(one)
        )
        for number, pauses in note.items()
        if str(number).isdecimal() and isinstance(pauses, list)
    }


def to_note(pauses: Mapping[int, Iterable[Pause]]) -> dict[str, Any]:
    """Plain values for the note, which has texts as keys."""
    return {str(number): [list(one) for one in found] for number, found in pauses.items() if found}


def ended(pauses: tuple[Pause, ...], *, at_s: float) -> tuple[Pause, ...]:
    """The same, the last one over."""
    return tuple((since, max(since, at_s) if until is None else until) for since, until in pauses)


def outside(begin: float, end: float, pauses: Iterable[Pause]) -> list[tuple[float, float]]:
    """The parts of a time (Unix times) that are in no pause."""
    parts, at_s = [], begin
    for since, until in sorted(pauses, key=lambda one: one[0]):
        if since >= end:
            break
        if since > at_s:
            parts.append((at_s, since))
        at_s = max(at_s, end if until is None else min(until, end))
    return parts if parts and at_s >= end else [*parts, (at_s, end)]


def _is_pause(one: object) -> bool:
    if not (isinstance(one, list) and len(one) == 2):
        return False
    since, until = one
    return _is_time(since) and (until is None or _is_time(until))


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
