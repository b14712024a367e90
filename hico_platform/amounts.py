"""Amounts as people read them: bytes, durations and ages."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def shown_bytes(count: float | None) -> str:
    """``1.4 GiB``; a dash where it is not known."""
    if count is None:
        return "-"
    amount, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if amount < 1024 or unit == _UNITS[-1]:
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def shown_duration(seconds: float) -> str:
    """``45s``, ``12m``, ``3.5h`` or ``12d``: the unit in which it is at least 1."""
    seconds = max(seconds, 0.0)
    if seconds < _MINUTE_S:
        return f"{seconds:.0f}s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f}m"
    if seconds < 2 * _DAY_S:
        return f"{seconds / _HOUR_S:.1f}h"
    return f"{seconds / _DAY_S:.0f}d"
