"""Users without an account: in a container a process may run under a number that no list of users has, without HOME.

Libraries ask for the user's name and home folder while they are imported, and end in an error where there is none.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

NOWHERE = "/nonexistent"
"""A home folder that does not exist, as the user nobody has; libraries then use a temporary folder or none."""
_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


def complete_environment(home: Path | None) -> None:
    """Gives libraries (and workers) a name and a home folder where this user has none.

    Args:
        home: the home of searches, in which libraries may keep files where this user may write it.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        if not any(os.environ.get(name) for name in _NAMES):
            os.environ["USER"] = f"uid-{os.getuid()}"
        if not os.environ.get("HOME"):
            usable = home is not None and os.access(home if home.exists() else home.parent, os.W_OK)
            os.environ["HOME"] = str(home) if usable else NOWHERE
