"""The page of the Python interface: the public names of the package, with their docstrings."""

from __future__ import annotations

import hico_platform
from hico_platform.export.encoder import Encoder


def page() -> str:
    """The page; mkdocstrings fills in each name."""
    lines = [
        "# Python",
        "",
        "The public names of `hico_platform`. Everything else may change from one version to the next without notice.",
        "[Using a trained model](../models.md) shows what `load_encoder` is for.",
        "",
    ]
    named = [getattr(hico_platform, name) for name in hico_platform.__all__ if not name.startswith("__")]
    for value in dict.fromkeys([*named, Encoder]):
        lines += [f"::: {value.__module__}.{value.__qualname__}", ""]
    return "\n".join(lines)
