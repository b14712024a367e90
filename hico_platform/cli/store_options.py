"""The options of commands that work on searches: the study database and the tracking store."""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from hico_platform.cli.main import home_of
from hico_platform.home import HomePaths
from hico_platform.masking import masked, secrets_of

_STORAGE_ELSEWHERE = "give the address by HICO_STORAGE, or the password by PGPASSWORD or ~/.pgpass"
_TRACKING_ELSEWHERE = (
    "give the address by MLFLOW_TRACKING_URI, or the password by MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
    "(a server's), PGPASSWORD or ~/.pgpass (a database's)"
)


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for databases other than those of the home."""
    parser.add_argument(
        "--storage", metavar="URL", default=os.environ.get("HICO_STORAGE"),
        help="study database, such as postgresql+psycopg://host/db (default: $HICO_STORAGE, else study.db in the home)",
    )  # fmt: skip
    parser.add_argument(
        "--tracking", metavar="URI", default=os.environ.get("MLFLOW_TRACKING_URI"),
        help="MLflow tracking store (default: $MLFLOW_TRACKING_URI, else mlflow.db in the home)",
    )  # fmt: skip


def home_paths(arguments: argparse.Namespace) -> HomePaths:
    """The home's paths with the stores that the options name; warns of a password on the command line."""
    for option, value, known, elsewhere in (
        ("--storage", arguments.storage, os.environ.get("HICO_STORAGE"), _STORAGE_ELSEWHERE),
        ("--tracking", arguments.tracking, os.environ.get("MLFLOW_TRACKING_URI"), _TRACKING_ELSEWHERE),
    ):
        if value is not None and value != known and secrets_of(value):
            print(f"{option}: every account of this machine sees its password in ps; {elsewhere}", file=sys.stderr)
    return HomePaths(home=home_of(arguments), storage=arguments.storage, tracking=arguments.tracking)


def store_words(arguments: argparse.Namespace) -> str:
    """The options to repeat in a follow-up command, without passwords and values of environment variables."""
    options = {
        "--home": (arguments.home, None),
        "--storage": (arguments.storage, os.environ.get("HICO_STORAGE")),
        "--tracking": (arguments.tracking, os.environ.get("MLFLOW_TRACKING_URI")),
    }
    shown = {
        option: masked(value, secrets=secrets_of(value)) for option, (value, known) in options.items() if value != known
    }
    return "".join(f" {option} {shlex.quote(value)}" for option, value in shown.items())
