"""Gives a manifest to Kubernetes, by the program and the rights of whoever submits."""

from __future__ import annotations

from hico_platform.jobs.program import run_program

_RULE = "a manifest that the cluster takes"
_REFUSED_REMEDY = "correct cluster: in the space, or install KubeRay there; kubectl api-resources lists rayjobs then"
_MISSING_REMEDY = "install kubectl, or take the manifest along: --out FILE"


def create(manifest: str) -> str:
    """Creates all objects; gives what kubectl says of them.

    Raises:
        UsageError: there is no kubectl here, or the cluster refuses an object, with its own reason.
    """
    return _create(manifest)


def would_create(manifest: str) -> str:
    """Asks the cluster whether it would take all objects; creates nothing.

    Raises:
        UsageError: as :func:`create`.
    """
    return _create(manifest, "--dry-run=server")


def _create(manifest: str, *words: str) -> str:
    return run_program(
        "kubectl",
        "create",
        "--filename=-",
        *words,
        text=manifest,
        rule=_RULE,
        refused_remedy=_REFUSED_REMEDY,
        missing_remedy=_MISSING_REMEDY,
    )
