"""What an import did: what was read, kept, repaired and skipped, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hico_platform.errors import Problem


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of an import: recordings read, kept, skipped with their problems, and excluded by the user."""

    read: int
    kept: int
    skipped: tuple[Problem, ...]
    left_out: int
    resumed_items: int
    unlabelled: int = 0
    """Kept recordings without a label."""
    remarks: Mapping[str, int] = field(default_factory=dict)
    """What reading changed or repaired in the kept recordings: counts by name, summed, in order of name."""
    layout: str
    body: Mapping[str, Any] = field(default_factory=dict)
    """Body height and bones, as in the provenance; empty where the format fixes layout and unit."""
    warnings: tuple[str, ...] = ()
    """What is unusual about the bodies."""

    def reasons(self) -> dict[str, int]:
        """Number of skipped recordings by rule, largest first."""
        counts: dict[str, int] = {}
        for problem in self.skipped:
            # Without the row or name in brackets, so that equal reasons are counted together.
            field = re.sub(r"\[[^\]]*\]", "[]", problem.field.rpartition(": ")[2])
            reason = f"{field}: expected {problem.rule}" if field else f"expected {problem.rule}"
            counts[reason] = counts.get(reason, 0) + 1
        return dict(sorted(counts.items(), key=lambda pair: -pair[1]))
