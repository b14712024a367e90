"""How many files and processes this account may have open: Ray has some 30 files and 20 threads for each worker."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong

LEAST_FILES, ENOUGH_FILES = 512, 4096
ENOUGH_PROCESSES = 2048


def check(around: Surroundings) -> Iterator[Finding]:
    """Soft limits, which a shell may raise up to the hard ones."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield _graded("open files", soft, hard, least=LEAST_FILES, enough=ENOUGH_FILES, option="n")
    if hasattr(resource, "RLIMIT_NPROC"):
        soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        yield _graded("processes", soft, hard, least=256, enough=ENOUGH_PROCESSES, option="u")


def _graded(about: str, soft: int, hard: int, *, least: int, enough: int, option: str) -> Finding:
    if soft == resource.RLIM_INFINITY or soft >= enough:
        return good(about, "no limit" if soft == resource.RLIM_INFINITY else f"at most {soft}")
    reach = hard == resource.RLIM_INFINITY or hard > soft
    asked = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
    remedy = f"raise it: ulimit -{option} {asked}" if reach else "ask the administrator for more (limits.conf)"
    return (wrong if soft < least else warning)(about, f"at most {soft}", remedy)
