"""A C compiler, with which training on a CPU is faster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning


def check(around: Surroundings) -> Iterator[Finding]:
    """The one that kernels are compiled with at first use."""
    path = around.environment.get("PATH")
    names = (around.environment.get("CC", ""), "cc", "gcc", "clang")
    found = next((program for name in names if name and (program := shutil.which(name, path=path))), None)
    if found is None:
        yield warning(
            "compiler", "none", "install one, such as gcc: training on a CPU takes two to three times as long"
        )
    else:
        yield good("compiler", found)
