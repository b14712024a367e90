"""Shows the error that ended a command: a line for each problem, or JSON, and the traceback on request."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Mapping
from pathlib import Path

from hico_platform.cli.explain import Scene, explain
from hico_platform.cli.terminal import plain
from hico_platform.errors import HicoError, Problem
from hico_platform.home import HomePaths
from hico_platform.masking import masked, secrets_of

TRACEBACK = "HICO_TRACEBACK"
_URLS = ("storage", "tracking", "address", "data", "dir")
_URL_VARIABLES = ("HICO_STORAGE", "MLFLOW_TRACKING_URI")
_SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                     "PGPASSWORD", "RAY_AUTH_TOKEN")  # fmt: skip


def show_failure(error: BaseException, arguments: argparse.Namespace, *, home: Path | None) -> int:
    """Prints the error that ended a command; returns the exit code."""
    secrets = known_secrets(arguments)
    if arguments.traceback or os.environ.get(TRACEBACK, "0") not in {"", "0"}:
        text = "".join(traceback.format_exception(error))
        print(masked(text, secrets=secrets), file=sys.stderr, end="")
    found = explain(error, _scene(arguments, home))
    if arguments.json:
        problems = [_masked_dict(problem, secrets) for problem in found.problems]
        _print(json.dumps({"errors": problems}), to_stderr=False)
    else:
        for problem in found.problems:
            _print(f"error: {plain(problem.shown(secrets=secrets))}", to_stderr=True)
    return found.exit_code


def known_secrets(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The secrets in a command's options and environment variables."""
    urls = [getattr(arguments, name, None) for name in _URLS] + [os.environ.get(name) for name in _URL_VARIABLES]
    in_urls = [secret for url in urls if url for secret in secrets_of(str(url))]
    return (*in_urls, *(value for name in _SECRET_VARIABLES if (value := os.environ.get(name))))


def _scene(arguments: argparse.Namespace, home: Path | None) -> Scene:
    data = [getattr(arguments, name, None) for name in ("raw", "missing", "dir", "data")]
    paths = tuple(Path(str(one)).expanduser() for one in data if one and "://" not in str(one))
    out = getattr(arguments, "out", None)
    if home is None:
        return Scene(data=paths, out=out)
    storage, tracking = getattr(arguments, "storage", None), getattr(arguments, "tracking", None)
    file: Path | None = None
    with contextlib.suppress(HicoError):  # the error is about this URL
        file = HomePaths(home=home, storage=storage, tracking=tracking).storage_file
    return Scene(home=home, out=out, study=file or storage, tracking=tracking or home / "mlflow.db", data=paths)


def _masked_dict(problem: Problem, secrets: tuple[str, ...]) -> Mapping[str, object]:
    return {
        name: masked(value, secrets=secrets) if isinstance(value, str) else value
        for name, value in problem.as_dict().items()
    }


def _print(line: str, *, to_stderr: bool) -> None:
    """Prints a line; a full disk or a closed pipe raises no second error."""
    stream = sys.stderr if to_stderr else sys.stdout
    if to_stderr and stream.isatty():  # a terminal would break words
        width = shutil.get_terminal_size().columns
        wrap = functools.partial(textwrap.fill, break_long_words=False, break_on_hyphens=False, subsequent_indent="  ")
        line = "\n".join(wrap(one, width=max(width, 20)) for one in line.splitlines())
    try:
        print(line, file=stream, flush=True)
    except OSError:
        if not to_stderr:
            _print(line, to_stderr=True)
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
