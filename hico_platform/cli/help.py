"""Explain a topic, or show the help of a command; without a word, list both.

examples:
  hico-platform help
  hico-platform help scores
  hico-platform help data prepare
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys

from hico_platform.cli.parser import no_such_command, parser_of
from hico_platform.cli.topics import TOPICS, topic_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("topic", nargs="*", metavar="TOPIC|COMMAND", help="what to explain")


def run(arguments: argparse.Namespace) -> int:
    """Shows the text, in a pager where it is longer than the terminal."""
    show(_text(" ".join(arguments.topic)))
    return 0


def _text(name: str) -> str:
    """The text of a topic or command.

    Raises:
        UsageError: there is neither of that name.
    """
    from hico_platform.cli.main import COMMANDS, load_command

    if not name:
        topics = "\n".join(f"  {topic:<14}{words}" for topic, (words, _) in TOPICS.items())
        commands = "\n".join(f"  {command:<20}{words}" for command, (_, words) in COMMANDS.items())
        return f"hico-platform help TOPIC\n\ntopics:\n{topics}\n\nhico-platform help COMMAND\n\ncommands:\n{commands}\n"
    if name in TOPICS:
        return topic_text(name)
    if name in COMMANDS:
        return parser_of(name, load_command(name)).format_help()
    group = [command for command in COMMANDS if command.startswith(f"{name} ")]
    if group:
        return "".join(f"  {command:<20}{COMMANDS[command][1]}\n" for command in group)
    raise no_such_command([name], commands=[*TOPICS, *COMMANDS], what_rule="a topic or a command")


def show(text: str) -> None:
    """Prints a text; one that is longer than the terminal goes to $PAGER, else less, where there is one."""
    lines = shutil.get_terminal_size().lines
    if sys.stdout.isatty() and sys.stdin.isatty() and text.count("\n") >= lines:
        pager = shlex.split(os.environ.get("PAGER") or "less")
        if pager and shutil.which(pager[0]) is not None:
            subprocess.run(pager, input=text.encode(), check=False)
            return
    print(text, end="")
