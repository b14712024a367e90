"""Runs the checks, the quick ones first; a check that fails itself is a finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hico_platform.commands.doctor import (
    clock,
    compiler,
    cpus,
    disk,
    file_limits,
    gpu,
    network,
    packages,
    ray_cluster,
    shared_memory,
    stores,
)
from hico_platform.commands.doctor.finding import Check, Finding, Surroundings, wrong
from hico_platform.errors import first_line
from hico_platform.masking import masked, secrets_of

QUICK: Sequence[Check] = (
    cpus.check,
    shared_memory.check,
    file_limits.check,
    disk.check,
    clock.check,
    network.check,
    compiler.check,
    ray_cluster.check_token,
)
"""Those that a search begins with, in some milliseconds: no import, no program and no other machine."""

THOROUGH: Sequence[Check] = (
    packages.check,
    network.check_port,
    disk.check_quota,
    gpu.check,
    stores.check,
    clock.check_server,
    ray_cluster.check,
)


def examine(around: Surroundings, *, checks: Sequence[Check] = (*QUICK, *THOROUGH)) -> Iterator[Finding]:
    """What the checks find, as they find it."""
    secrets = [one for url in (around.paths.tracking_uri, around.paths.storage_url) for one in secrets_of(url)]
    for check in checks:
        try:
            yield from check(around)
        except Exception as error:
            about = check.__module__.rpartition(".")[2].replace("_", " ")
            yield wrong(
                about,
                f"cannot be checked: {masked(first_line(error), secrets=secrets)[:300]}",
                "report it with --traceback",
            )
