"""Python and the packages, against what this package requires and what the lock file has tested."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong

PACKAGE = "hico-platform"
LOCK = Path(__file__).parents[3] / "requirements" / "cpu.lock"
"""In a checkout; an installed package has none."""
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)

Version = Callable[[str], str]
"""The installed version of a package; raises PackageNotFoundError."""


def check(
    around: Surroundings,
    *,
    version: Version = importlib.metadata.version,
    requires: Sequence[str] | None = None,
    lock: Path = LOCK,
) -> Iterator[Finding]:
    """The required packages in versions that are allowed, and those of the lock file."""
    if requires is None:
        requires = importlib.metadata.requires(PACKAGE) or []
        yield _python(importlib.metadata.metadata(PACKAGE)["Requires-Python"] or "")
    unmet = list(_unmet(requires, version))
    yield from (wrong("packages", found, f"install it: pip install '{requirement}'") for found, requirement in unmet)
    if unmet:
        return
    others = list(_other_than_locked(requires, version, lock))
    if others:
        yield warning(
            "packages", f"not as tested: {', '.join(others)}", f"install the tested ones: pip install -r {lock}"
        )
    else:
        tested = ", as tested" if lock.exists() else ""
        yield good("packages", f"{len(requires)} requirements are met{tested}")


def _python(allowed: str) -> Finding:
    here = platform.python_version()
    if SpecifierSet(allowed).contains(here, prereleases=True):
        return good("python", here)
    return wrong("python", f"{here}, and not {allowed}", "install the package for another Python")


def _unmet(requires: Sequence[str], version: Version) -> Iterator[tuple[str, str]]:
    for text in requires:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            here = version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield f"{requirement.name} is missing", f"{requirement.name}{requirement.specifier}"
            continue
        if not requirement.specifier.contains(here, prereleases=True):
            yield (
                f"{requirement.name} {here}, and not {requirement.specifier}",
                f"{requirement.name}{requirement.specifier}",
            )


def _other_than_locked(requires: Sequence[str], version: Version, lock: Path) -> Iterator[str]:
    """Of the direct requirements alone: others follow from them."""
    if not lock.exists():
        return
    pinned = {_plain(name): one for name, one in _PINNED.findall(lock.read_text(encoding="utf-8"))}
    for text in requires:
        requirement = Requirement(text)
        tested = pinned.get(_plain(requirement.name))
        if tested is None or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        here = version(requirement.name)
        if here.partition("+")[0] != tested.partition("+")[0]:
            yield f"{requirement.name} {here} ({tested})"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
