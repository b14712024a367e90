"""Where the home is: the one folder of searches, study database, tracking store, checkpoints and prepared data."""

from __future__ import annotations

import os
from pathlib import Path

from hico_platform.errors import Problem, UsageError


def home_folder(chosen: str | None = None) -> Path:
    """The folder that was chosen, else ``$HICO_HOME``, else ``~/.hico``.

    Raises:
        UsageError: it cannot be found, or its path is not UTF-8.
    """
    chosen = chosen or os.environ.get("HICO_HOME") or "~/.hico"
    try:
        home = Path(chosen).expanduser().absolute()
        str(home).encode()
        return home
    except UnicodeEncodeError as error:  # databases and Ray take no other
        raise UsageError(
            Problem(
                field="--home",
                rule="a path in UTF-8, read in a UTF-8 locale",
                value=os.fsencode(chosen),
                remedy="rename the folder, or set LC_ALL=C.UTF-8",
            )
        ) from error
    except RuntimeError as error:  # no HOME, and no such user in the system's list
        raise UsageError(
            Problem(
                field="--home",
                rule="a folder that can be found",
                value=chosen,
                remedy="this user has no home folder here; give one by --home DIR or HICO_HOME",
            )
        ) from error
