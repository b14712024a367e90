"""The page of the Python interface: the public names of the package, with their docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

import hico_platform

ENCODER = "hico_platform.export.encoder.Encoder"
"""What ``load_encoder`` returns: its methods are public too."""


def page() -> str:
    """The page; mkdocstrings fills in each name."""
    lines = [
        "# Python: every name",
        "",
        "The public names of `hico_platform`, with their arguments. [The Python interface](../api.md) shows how they",
        "go together,",
        "[using a trained model](../models.md) what `load_encoder` is for. Everything else may change without notice.",
        "",
    ]
    at = places()
    for name in [*(f"{at[name]}.{name}" for name in hico_platform.__all__ if not name.startswith("__")), ENCODER]:
        lines += [f"::: {name}", ""]
    return "\n".join(lines)


def places() -> dict[str, str]:
    """Where each public name is defined, as the package says to type checkers: some are imported when they are used."""
    tree = ast.parse(Path(hico_platform.__file__).read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}
