"""What a command says when the tracking store did not get what the ledger has."""

from __future__ import annotations

import sys

from hico_platform.cli.terminal import plain_line


def warn_untracked(reason: str | None) -> None:
    """One line on standard error; nothing where the store has it."""
    if reason is not None:
        print(
            f"warning: MLflow does not have it ({plain_line(reason)}); the next driver of the search copies it",
            file=sys.stderr,
        )
