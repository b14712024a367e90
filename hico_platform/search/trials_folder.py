"""The folder of a search's trials, marked as that search's, and which trials others compare with."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hico_platform.atomic_io import write_whole
from hico_platform.errors import Problem, UsageError
from hico_platform.search.ledger.base import SearchRecord

OWNER = "search.json"
REPRODUCED = "reproduction.json"
"""In the folder of a reproduction that is finished."""


def claimed(folder: Path, search: SearchRecord) -> Path:
    """The trials' folder of ``search``, marked with its key before anything is trained there.

    Searches of older versions have no key, and a folder without a mark.

    Raises:
        UsageError: the folder is marked as another search's.
    """
    if not search.key:
        return folder
    file = folder / OWNER
    if not file.exists():
        content = {"key": search.key, "name": search.name, "began_at_s": search.began_at_s}
        write_whole(file, json.dumps(content, indent=1).encode())
    try:
        owner = json.loads(file.read_text(encoding="utf-8"))["key"]
    except (ValueError, KeyError, TypeError):
        owner = "no key"
    if owner != search.key:
        raise UsageError(
            Problem(
                file=file,
                rule=f"the mark of the search {search.name}, {search.key}",
                value=owner,
                remedy="move the folder away, which holds another search's checkpoints, then go on with --resume",
            )
        )
    return folder


def compared_trials(home: Path, name: str) -> frozenset[int]:
    """The trials of a search whose reproductions are unfinished: at their end they compare with their checkpoints."""
    found = re.compile(rf"{re.escape(name)}-(\d{{4,}})(?:-\d+)?")
    folders = home / "reproductions"
    if not folders.is_dir():
        return frozenset()
    named = ((folder, found.fullmatch(folder.name)) for folder in folders.iterdir())
    return frozenset(int(match[1]) for folder, match in named if match and not (folder / REPRODUCED).exists())
