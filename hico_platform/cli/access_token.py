"""The access token of ``ui``: a new one each time, or the one in a file that no other account can read."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from hico_platform.errors import Problem, UsageError

_FEWEST = 20
_LONGEST = 4096
_WRITTEN = re.compile(r"[A-Za-z0-9._~-]+")


def access_token(file: Path | None, *, option: str = "--token-file") -> str:
    """A new token, or the one in a file, which is created if missing; ``option`` is what users call it.

    Raises:
        UsageError: the file cannot be read or created, others may read it, or it holds no token.
    """
    if file is None:
        return secrets.token_urlsafe(32)
    try:
        return _kept_token(file, option=option)
    except OSError as error:
        raise _unusable(
            file, error.strerror or str(error), "give one in a folder of your own", option=option
        ) from error


def _kept_token(file: Path, *, option: str) -> str:
    try:
        created = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        pass
    else:
        with open(created, "w") as opened:
            opened.write(f"{secrets.token_urlsafe(32)}\n")
    with open(
        os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb"
    ) as opened:  # opening a pipe would wait for a writer
        state = os.fstat(opened.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise _unusable(file, "something that is no file", "give a file", option=option)
        if state.st_uid not in {os.geteuid(), 0} or state.st_mode & 0o077:
            raise _unusable(
                file, "one that others may read or write", f"make it yours alone: chmod 600 {file}", option=option
            )
        token = opened.read(_LONGEST).decode("latin-1").strip()
    if len(token) < _FEWEST or not _WRITTEN.fullmatch(token):
        raise _unusable(
            file,
            f"one without a token of at least {_FEWEST} letters, digits, - or _",
            "remove it, and one is made",
            option=option,
        )
    return token


def _unusable(file: Path, value: str, remedy: str, *, option: str) -> UsageError:
    return UsageError(
        Problem(file=file, field=option, rule="a file of this user with a token", value=value, remedy=remedy)
    )
