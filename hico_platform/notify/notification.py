"""What people are told about a search."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hico_platform.masking import masked


class Occasion(StrEnum):
    """Why people are told."""

    DONE = "done"
    """The search has come to its end."""

    FAILED = "failed"
    """The search ended by an error or without a score, or one of its trials failed."""

    INTERRUPTED = "interrupted"
    """The search was interrupted, and can be resumed."""

    NEW_BEST = "new_best"
    """A trial has ended with a better score than all before it."""

    SILENT = "silent"
    """No trial has reported for far longer than the reports before took."""

    DISK = "disk"
    """The disk of the home folder is nearly full."""

    BUDGET = "budget"
    """Nine tenths of ``stop.hours`` or ``stop.gpu_hours`` are used up."""


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One message. Passwords in it are masked when it is made.

    Args:
        occasion: why it is sent.
        search: the name of the search.
        machine: the name of the machine that the driver runs on.
        at_s: Unix time.
        title: one line.
        text: what there is to know, and what to do.
        facts: the same as plain values, for programs.
        key: unlike that of any other message; the same each time that it is sent.
    """

    occasion: Occasion
    search: str
    machine: str
    at_s: float
    title: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    key: str = field(default_factory=lambda: f"msg_{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        for name in ("title", "text"):
            object.__setattr__(self, name, masked(getattr(self, name)))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "type": f"hico_platform.search.{self.occasion}",
            "search": self.search,
            "machine": self.machine,
            "time": self.at_s,
            "title": self.title,
            "text": self.text,
            "facts": {name: masked(value) if isinstance(value, str) else value for name, value in self.facts.items()},
        }
