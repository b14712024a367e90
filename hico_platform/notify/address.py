"""Where messages go: what ``--notify`` and ``notify:`` may name, and what keeps secrets out of both.

Arguments are seen by every account of a machine, and space files are shared. An address that carries a secret (a
webhook's token, a mail password) is therefore named by an environment variable or by a file of one's own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from hico_platform.errors import Problem, UsageError
from hico_platform.trusted_paths import open_trusted

ENVIRONMENT, FILE, COMMAND = "env:", "file:", "command:"
KEY_VARIABLE = "HICO_NOTIFY_KEY"
"""Names the environment variable with the key by which JSON messages are signed."""

_SECRET_PATHS = ("/hooks/", "/services/", "/webhook", "/bot")
_LOCAL = {"localhost", "127.0.0.1", "::1"}


def addresses(
    named: Sequence[str], *, field: str, environment: Mapping[str, str] | None = None, commands: bool = True
) -> tuple[str, ...]:
    """The addresses that are named: web addresses, ``command:FILE``, and what ``env:NAME`` and ``file:FILE`` hold.

    Args:
        named: as given.
        field: where, for messages.
        environment: of this process by default.
        commands: whether commands may be named, here or in a file; not in a space file, which may be someone else's,
            as may be a file that it names. What the environment holds is always this user's.

    Raises:
        UsageError: an address is malformed, carries a secret where others see it, or cannot be read.
    """
    environment = os.environ if environment is None else environment
    found: list[str] = []
    for name in named:
        if name.startswith(ENVIRONMENT):
            found += _from_environment(name.removeprefix(ENVIRONMENT), field=field, environment=environment)
        elif name.startswith(FILE):
            listed = _from_file(Path(name.removeprefix(FILE)).expanduser(), field=field)
            if not commands and any(one.startswith(COMMAND) for one in listed):  # the file may have come with the space
                raise _no_command(f"one in {name}", field=field)
            found += listed
        elif name.startswith(COMMAND):
            if not commands:
                raise _no_command(name, field=field)
            found.append(name)
        else:
            found.append(_without_secret(name, field=field))
    for address in found:
        _check(address, field=field)
    return tuple(dict.fromkeys(found))


def _no_command(value: str, *, field: str) -> UsageError:
    return UsageError(
        Problem(
            field=field, rule="no command in a space file", value=value,
            remedy="give it to search: --notify command:FILE",
        )
    )  # fmt: skip


def _from_environment(name: str, *, field: str, environment: Mapping[str, str]) -> list[str]:
    value = environment.get(name, "").split()
    if not value:
        raise UsageError(
            Problem(
                field=field, rule=f"an environment variable {name} that holds addresses", value="none",
                remedy=f"export {name}=ADDRESS, several with spaces between them",
            )
        )  # fmt: skip
    return value


def _from_file(file: Path, *, field: str) -> list[str]:
    try:
        with os.fdopen(open_trusted(file), encoding="utf-8") as opened:
            if os.fstat(opened.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UsageError(
                    Problem(
                        file=file, field=field, rule="a file that you alone can read", value="one that others can",
                        remedy=f"chmod 600 {file}",
                    )
                )  # fmt: skip
            lines = [line.strip() for line in opened]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            Problem(
                file=file, field=field, rule="a file with an address in each line",
                value=(error.strerror or str(error)) if isinstance(error, OSError) else "no text",
                remedy="write one, and chmod 600 it",
            )
        ) from error  # fmt: skip
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise UsageError(
            Problem(file=file, field=field, rule="an address in each line", value="none", remedy="write one")
        )
    return found


def _without_secret(address: str, *, field: str) -> str:
    """An address that is given where others can read it."""
    parts = urlsplit(address)
    secret = parts.username or parts.password or parts.query or any(word in parts.path for word in _SECRET_PATHS)
    if parts.scheme not in {"http", "https"} or secret:
        raise UsageError(
            Problem(
                field=field,
                rule="an address https://HOST/PATH without a secret, env:NAME, file:FILE or command:FILE",
                value=f"an address of the scheme {parts.scheme or 'none'}"
                + (" that carries a secret" if secret else ""),
                remedy="put the address into an environment variable and name that: env:HICO_NOTIFY",
            )
        )
    return address


def _check(address: str, *, field: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise UsageError(
            Problem(
                field=field, rule="an https address, or http on this machine", value=f"http://{parts.hostname or ''}",
                remedy="give the https address",
            )
        )  # fmt: skip
    if parts.scheme in {"http", "https"} and not parts.hostname:
        raise UsageError(
            Problem(
                field=field, rule="an address https://HOST/PATH", value=f"{parts.scheme}://", remedy="give the host"
            )
        )
    if address.startswith(COMMAND):
        file = Path(address.removeprefix(COMMAND)).expanduser()
        if not (file.is_absolute() and os.access(file, os.X_OK) and file.is_file()):
            raise UsageError(
                Problem(
                    field=field, rule="the absolute path of a program", value=str(file),
                    remedy="give a file that can be executed; it gets the message as JSON on standard input",
                )
            )  # fmt: skip
