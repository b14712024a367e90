"""What the environment leaves out, to look for a fault."""

from __future__ import annotations

import os


def switched_off(name: str) -> bool:
    """Whether the environment variable ``name`` says off, 0 or no."""
    return os.environ.get(name, "").lower() in ("off", "0", "no")
