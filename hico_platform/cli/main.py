"""Finds the command, runs it, and turns errors into messages and exit codes.

Exit codes: 0 done, 1 the work failed, 2 usage or configuration, 3 data, 130 interrupted (and resumable).
A command is a module with ``add_arguments(parser)`` and ``run(arguments) -> int``; it is imported only
when it is called, so that ``hico-platform --help`` stays quick.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from hico_platform import __version__
from hico_platform.errors import HicoError

# name: (module, one line of help). A group's name holds the space between its words.
COMMANDS: dict[str, tuple[str, str]] = {
    "search": ("search", "search for the best configuration"),
    "status": ("status", "how searches stand"),
    "schema": ("schema", "the JSON Schema of space files, for editors"),
    "ui": ("ui", "browse searches, trials and models in MLflow"),
    "pretrain": ("pretrain", "train one configuration, without a search"),
    "retrain": ("retrain", "train the best configuration again, with seeds, and score it on the test split"),
    "report": ("report", "write what a search came to as one page"),
    "data synth": ("data_synth", "write the embedded dataset"),
    "data prepare": ("data_prepare", "turn raw skeleton files into a store"),
    "data info": ("data_info", "what is in a store"),
    "data verify": ("data_verify", "check a store's digests and invariants"),
}
EPILOG = """examples:
  hico-platform search --space level_weights.yaml
  hico-platform status level_weights
  hico-platform retrain level_weights
  hico-platform ui

Everything is kept in one folder: --home DIR, else $HICO_HOME, else ~/.hico.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = _command_name(words)
    if name is None:
        return _overview(words)
    try:
        module = _load(name)
    except KeyboardInterrupt:  # a heavy import takes a second or two
        return _interrupted()
    parser = argparse.ArgumentParser(
        prog=f"hico-platform {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    _add_common(parser)
    arguments = parser.parse_args(words[len(name.split()) :])
    try:
        return int(module.run(arguments))
    except HicoError as error:
        if getattr(arguments, "json", False):
            print(json.dumps({"errors": [problem.as_dict() for problem in error.problems]}))
        else:
            for problem in error.problems:
                print(f"error: {problem}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)
    return 130


def home_of(arguments: argparse.Namespace) -> Path:
    """The one folder of searches, study database, tracking store, checkpoints and prepared data."""
    chosen = arguments.home or os.environ.get("HICO_HOME") or Path.home() / ".hico"
    return Path(chosen).expanduser().absolute()


def _command_name(words: Sequence[str]) -> str | None:
    for count in (2, 1):
        name = " ".join(words[:count])
        if len(words) >= count and name in COMMANDS:
            return name
    return None


def _load(name: str) -> ModuleType:
    return importlib.import_module(f"hico_platform.cli.{COMMANDS[name][0]}")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--home", metavar="DIR", help="the folder that holds everything (default: $HICO_HOME, else ~/.hico)"
    )


def _overview(words: Sequence[str]) -> int:
    group = words[0] if words and not words[0].startswith("-") else ""
    names = [name for name in COMMANDS if name.startswith(f"{group} ")] if group else list(COMMANDS)
    listing = "\n".join(f"  {name:<18} {COMMANDS[name][1]}" for name in names or COMMANDS)
    parser = argparse.ArgumentParser(
        prog="hico-platform",
        usage="hico-platform COMMAND [OPTIONS]   (hico-platform COMMAND --help for each)",
        description=f"Hyperparameter search and experiments for HiCo.\n\ncommands:\n{listing}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hico-platform {__version__}")
    if not names or (group and len(words) > 1 and not words[1].startswith("-")):
        parser.error(f"no such command: {' '.join(words[: 2 if names else 1])}")
    if not group:
        parser.parse_args(words)
    parser.print_help()
    return 0
