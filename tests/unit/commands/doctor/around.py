"""Surroundings that a test breaks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hico_platform.commands.doctor.finding import Finding, Surroundings
from hico_platform.home import HomePaths


def around(folder: Path, *, address: str | None = None, root: Path = Path("/"), **environment: str) -> Surroundings:
    """A home in ``folder``; ``storage`` and ``tracking`` are addresses of databases, all else are variables."""
    storage, tracking = environment.pop("storage", None), environment.pop("tracking", None)
    paths = HomePaths(home=folder / "home", storage=storage, tracking=tracking)
    return Surroundings(paths=paths, environment=environment, root=root, address=address)


def seen(findings: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """What was looked at, how it came out, and what was found."""
    return [(finding.about, str(finding.grade), finding.found) for finding in findings]
