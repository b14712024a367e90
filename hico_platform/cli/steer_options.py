"""What the commands that steer a running search share: how long they wait for its driver, and what they print."""

from __future__ import annotations

import argparse
import json

from hico_platform.cli.store_options import add_store_options
from hico_platform.cli.terminal import plain_line
from hico_platform.commands.steer import Asked
from hico_platform.errors import command

PATIENCE_S = 10.0


def add_steer_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--wait", type=float, default=PATIENCE_S, metavar="S",
        help=f"seconds to wait for the driver's answer (default: {PATIENCE_S:g}; it looks every few seconds)",
    )  # fmt: skip
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print the request and its answer as JSON")


def print_asked(asked: Asked, name: str, *, as_json: bool) -> int:
    """Prints what became of a request; 1 where the driver refused it."""
    request, answer = asked.request, asked.request.answer
    if as_json:
        print(json.dumps(request.as_dict()))
    elif answer is not None:
        print(plain_line(f"{name}: {request.words}: {answer.says}"))
    elif asked.has_driver:
        print(plain_line(f"{name}: {request.words}: written down; the driver has not answered yet"))
    else:
        again = command("search", "--resume", "--name", name)
        print(plain_line(f"{name}: {request.words}: written down; no driver runs it, so it is obeyed by: {again}"))
    return 0 if answer is None or answer.obeyed else 1
