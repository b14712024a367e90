"""What a check finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hico_platform.home import HomePaths


class Grade(StrEnum):
    """How a check came out; the values are those of ``--json``."""

    GOOD = "good"
    WARNING = "warning"
    """Works, and may be slow or fail later."""

    WRONG = "wrong"
    """Does not work."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor.

    Attributes:
        about: what was looked at, in a word or two.
        grade: how it came out.
        found: what is there.
        remedy: what to do, beginning with a verb; none where nothing has to be done.
    """

    about: str
    grade: Grade
    found: str
    remedy: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Plain values, for ``--json``."""
        return {"about": self.about, "grade": str(self.grade), "found": self.found, "remedy": self.remedy}


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What checks look at.

    Args:
        paths: the home, with its databases.
        environment: variables.
        root: the folder that contains ``proc``, ``sys`` and ``dev``.
        address: a Ray cluster that is to be joined.
    """

    paths: HomePaths
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path("/")
    address: str | None = None


Check = Callable[[Surroundings], Iterator[Finding]]
"""Yields what it finds; what is as it should be is a finding too."""


def good(about: str, found: str) -> Finding:
    """All is well."""
    return Finding(about=about, grade=Grade.GOOD, found=found)


def warning(about: str, found: str, remedy: str) -> Finding:
    """It works, and may be slow or fail later."""
    return Finding(about=about, grade=Grade.WARNING, found=found, remedy=remedy)


def wrong(about: str, found: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(about=about, grade=Grade.WRONG, found=found, remedy=remedy)
