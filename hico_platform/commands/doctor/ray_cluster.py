"""A Ray cluster that is to be joined: its token, its version and its machines."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong
from hico_platform.errors import HicoError

Join = Callable[[str], str]
"""Joins the cluster at an address and says what it has; raises HicoError where that fails."""


def check_token(around: Surroundings) -> Iterator[Finding]:
    """The token with which this driver joins: there, and nobody else's to read."""
    environment = around.environment
    if around.address is None:
        return
    if environment.get("RAY_AUTH_MODE", "token") != "token":
        yield warning(
            "token",
            "RAY_AUTH_MODE is not token: whoever reaches the cluster can run code on it",
            "set RAY_AUTH_MODE=token on all of its machines, and one RAY_AUTH_TOKEN",
        )
        return
    if environment.get("RAY_AUTH_TOKEN"):
        yield good("token", "RAY_AUTH_TOKEN is set")
        return
    file = Path(environment.get("RAY_AUTH_TOKEN_PATH") or Path(environment.get("HOME", "/")) / ".ray" / "auth_token")
    try:
        found = os.stat(file)
    except OSError:
        yield wrong("token", f"none: {file} is not there", "set the cluster's RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH")
        return
    if stat.S_IMODE(found.st_mode) & 0o077:
        yield wrong("token", f"other accounts may read {file}", f"make it yours alone: chmod 600 {file}")
    else:
        yield good("token", str(file))


def joined(address: str) -> str:
    """Joins with Ray, which compares its version and Python's with the cluster's."""
    from hico_platform.search.ray_executor.cluster_look import look_at_cluster

    return look_at_cluster(address)


def check(around: Surroundings, *, join: Join = joined) -> Iterator[Finding]:
    """Whether it can be joined; a cluster of another version refuses."""
    if around.address is None:
        return
    try:
        yield good("ray", join(around.address))
    except HicoError as error:
        problem = error.problems[0]
        value = str(problem.value)
        remedy = problem.remedy or "check it with ray status"
        if "ersion mismatch" in value:
            remedy = "install the same Ray and Python on all machines of the cluster, this one included"
        yield wrong("ray", value, remedy)
