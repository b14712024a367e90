"""Support for users without an account: in a container a process may have a user number without a name, and no HOME.

Libraries look up the user's name and home folder when they are imported, and raise an error if there is none.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

NOWHERE = "/nonexistent"
"""A home folder that does not exist, like that of the user ``nobody``; libraries then use a temporary folder."""
_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


def complete_environment(home: Path | None) -> None:
    """Sets a user name and a home folder in the environment, for libraries and workers, if this user has none.

    Args:
        home: the home of searches, which libraries may use as home folder if this user may write to it.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        if not any(os.environ.get(name) for name in _NAMES):
            os.environ["USER"] = f"uid-{os.getuid()}"
        if not os.environ.get("HOME"):
            usable = home is not None and os.access(home if home.exists() else home.parent, os.W_OK)
            os.environ["HOME"] = str(home) if usable else NOWHERE
