"""Finds the command, runs it, and turns errors into messages and exit codes.

Exit codes: 0 done, 1 the work failed, 2 usage or configuration, 3 data, 130 interrupted (and resumable).
A command is a module with ``add_arguments(parser)`` and ``run(arguments) -> int``. It is imported only when it is
called, so that ``hico-platform --help`` is fast.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import select
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TextIO

from hico_platform import __version__
from hico_platform.cli.account import complete_environment
from hico_platform.cli.parser import CommandParser, no_such_command, parser_of
from hico_platform.cli.plain_output import plain_where_needed
from hico_platform.cli.terminal import folded
from hico_platform.errors import Problem, UsageError
from hico_platform.home import home_folder
from hico_platform.home_access import umask_restored
from hico_platform.interruptions import EXIT_CODE, interruptible
from hico_platform.masking import mask_warnings

# name: (module, one line of help). The name of a command in a group has a space between its words.
COMMANDS: dict[str, tuple[str, str]] = {
    "search": ("search", "search for the best configuration"),
    "submit": ("submit", "submit a search to a cluster"),
    "list": ("list", "list all searches: who, state, best, cost, disk"),
    "status": ("status", "show the state of searches"),
    "show": ("show", "show a search, or one of its trials, whole"),
    "best": ("best", "print the best configuration, as pretrain and retrain take it"),
    "compare": ("compare", "compare searches: bests with intervals, curves at equal cost"),
    "export": ("export", "write the trials of a search as CSV, JSON or Parquet"),
    "stop": ("stop", "stop a running search, or end one of its trials"),
    "pause": ("pause", "pause a running search, or one of its trials"),
    "continue": ("continue_search", "go on with what was paused"),
    "add": ("add", "add a point to a search, to be tried next"),
    "extend": ("extend", "extend a search by more trials"),
    "priority": ("priority", "order the points and trials that wait"),
    "note": ("note", "write a note about a search"),
    "tag": ("tag", "tag a search, to find it by"),
    "archive": ("archive", "hide a search from lists, or show it again"),
    "rename": ("rename", "give a search another name"),
    "delete": ("delete", "delete a search: study, runs, checkpoints, folder"),
    "gc": ("gc", "remove checkpoints that a rule does not keep"),
    "help": ("help", "explain a topic, or a command"),
    "completion": ("completion", "a script that completes commands and options in your shell"),
    "schema": ("schema", "the JSON Schema of space files, for editors"),
    "doctor": ("doctor", "check what is installed, reachable and wrong on this machine"),
    "ui": ("ui", "browse searches, trials and models in MLflow"),
    "pretrain": ("pretrain", "train one configuration, without a search"),
    "reproduce": ("reproduce", "train a trial of a search again and compare it with its record"),
    "retrain": ("retrain", "train the best configuration again, with seeds, and score it on the test split"),
    "report": ("report", "write the results of a search as one page"),
    "evaluate": ("evaluate", "score a trained encoder on downstream tasks"),
    "features": ("features", "write the features of a dataset as a Parquet file"),
    "import-checkpoint": ("import_checkpoint", "turn a released HiCo .pth.tar into an encoder of this project"),
    "predict": ("predict", "classes and neighbours of recordings, by a trained model"),
    "export-onnx": ("export_onnx", "write a trained model's encoder for other runtimes"),
    "data synth": ("data_synth", "write the embedded dataset"),
    "data prepare": ("data_prepare", "turn raw skeleton files into a store"),
    "data layouts": ("data_layouts", "list the built-in skeleton layouts, or show and draw one"),
    "data map": ("data_map", "turn a store of one skeleton layout into a store of another"),
    "data merge": ("data_merge", "merge stores, to pretrain on several datasets at once"),
    "data info": ("data_info", "describe a store"),
    "data verify": ("data_verify", "check a store's digests and invariants"),
}
EPILOG = """examples:
  hico-platform search --space level_weights.yaml
  hico-platform status level_weights
  hico-platform retrain level_weights
  hico-platform evaluate --checkpoint models:/level_weights@champion --data DIR --protocol xsub
  hico-platform ui

Everything is kept in one folder: --home DIR, else $HICO_HOME, else ~/.hico.
More: hico-platform help lists topics (spaces, scores, resuming, ...); hico-platform completion bash|zsh|fish.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. SIGTERM and SIGHUP interrupt it as Ctrl-C does."""
    _open_closed_streams()
    with (
        umask_restored(),
        plain_where_needed(),
        interruptible(leave=os._exit if argv is None else None),
    ):  # otherwise the process belongs to the caller
        try:
            return _main(argv)
        except KeyboardInterrupt as interruption:
            return _interrupted(interruption)


def _main(argv: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    name = _command_name(words)
    arguments = argparse.Namespace(
        command=name, words=tuple(words), json="--json" in words, traceback="--traceback" in words, quiet=False
    )
    try:
        if name is None:
            return _overview(words)
        _refuse_stripped_docstrings()
        module = load_command(name)  # a heavy import takes a second or two
        mask_warnings()
        parser = parser_of(name, module)
        arguments.json = arguments.json and parser.is_flag("--json")  # export --json FILE prints none
        parser.parse_args(words[len(name.split()) :], namespace=arguments)
        home = _home_or_none(arguments)
        if home is not None:
            complete_environment(home)
        code = int(module.run(arguments))
        sys.stdout.flush()  # so that a full disk or a closed pipe raises here, not at exit
        return code
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _has_no_reader(sys.stdout):
            return 0
        from hico_platform.cli.failure import show_failure

        return show_failure(error, arguments, home=_home_or_none(arguments))


def _refuse_stripped_docstrings() -> None:
    if sys.flags.optimize > 1:
        raise UsageError(
            Problem(
                field="PYTHONOPTIMIZE",
                rule="at most 1",
                value=sys.flags.optimize,
                remedy="unset it, and leave out python -OO: Ray does not start without its docstrings",
            )
        )


def _open_closed_streams() -> None:
    """Opens /dev/null for closed standard streams, whose numbers the next opened files would get otherwise."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _has_no_reader(stream: TextIO) -> bool:
    """Whether the reader of a pipe is gone (``| head``); if so, further output is discarded."""
    poll = select.poll()
    try:
        poll.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # not a stream of the operating system, or a closed one
        return False
    if not any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return True


def _interrupted(interruption: KeyboardInterrupt) -> int:
    """Says how to go on: what the command knows of it, which it raises again with, else the same command."""
    advice, _, command = (str(interruption) or "run the same command again").partition(": ")
    lines = [f"interrupted; {advice}"]
    if command:
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
        lines = folded(lines[0], command, width=width)
    with contextlib.suppress(OSError):  # a terminal that was closed
        print("\n".join(lines), file=sys.stderr)
    return EXIT_CODE


def home_of(arguments: argparse.Namespace) -> Path:
    """The folder of searches, study database, tracking store, checkpoints and prepared data."""
    return home_folder(arguments.home)


def _home_or_none(arguments: argparse.Namespace) -> Path | None:
    with contextlib.suppress(UsageError, OSError, AttributeError):
        return home_of(arguments)
    return None


def _command_name(words: Sequence[str]) -> str | None:
    for count in (2, 1):
        name = " ".join(words[:count])
        if len(words) >= count and name in COMMANDS:
            return name
    return None


def load_command(name: str) -> ModuleType:
    """The module of a command."""
    return importlib.import_module(f"hico_platform.cli.{COMMANDS[name][0]}")


def _overview(words: Sequence[str]) -> int:
    """Lists all commands, or those of a group.

    Raises:
        UsageError: the words name no command, or are options that there are not.
    """
    group = words[0] if words and not words[0].startswith("-") else ""
    names = [name for name in COMMANDS if name.startswith(f"{group} ")] if group else list(COMMANDS)
    listing = "\n".join(f"  {name:<18} {COMMANDS[name][1]}" for name in names)
    parser = CommandParser(
        prog="hico-platform",
        usage="hico-platform COMMAND [OPTIONS]   (hico-platform COMMAND --help for each)",
        description=f"Hyperparameter search and experiments for HiCo.\n\ncommands:\n{listing}",
        epilog=None if group else EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hico-platform {__version__}")
    if not names or (group and len(words) > 1 and not words[1].startswith("-")):
        raise no_such_command(words[: 2 if names else 1], commands=COMMANDS)
    if not group:
        parser.parse_args(words)
    parser.print_help()
    return 0
