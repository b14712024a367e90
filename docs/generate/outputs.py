"""Writes the outputs of the tutorial's commands into its page, from a real run: ``make docs-outputs``.

A block of ``bash`` on the page is one command; the block of ``text`` after it is what the command printed. The
commands are run in order in an empty folder of a person without any searches, with the page's own budget: some ten
minutes on two free cores.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "tutorial.md"
BLOCK = re.compile(r"```bash\n(?P<command>(?:[^\n]*\\\n)*[^\n]*)\n```\n(?:\n```text\n(?P<output>.*?)```\n)?", re.DOTALL)
SHOWN_LINES = 60
SIGN_OF_LIFE = re.compile(r"^\[[\d:]+\] [\w.-]+: .*\n", re.MULTILINE)
"""A line that is printed after some time without news: how many there are says how slow the machine was."""


def commands(page: str) -> Iterator[tuple[str, str]]:
    """Each command of a page with the output that stands below it."""
    for found in BLOCK.finditer(page):
        yield found["command"], found["output"] or ""


def run(command: str, *, folder: Path) -> str:
    """What a command prints on a pipe in the home of a person ``me``, whose folder this is; raises if it fails."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "hico-platform", command
    done = subprocess.run(
        [sys.executable, "-m", "hico_platform", *words[1:]],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command}: exit code {done.returncode}\n{done.stdout}")
    return SIGN_OF_LIFE.sub("", as_on_a_laptop(done.stdout, folder=folder))


def environment(folder: Path) -> dict[str, str]:
    """The environment of a person whose folder this is, and who has set nothing."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HICO_", "MLFLOW_", "RAY_"))}
    return kept | {"HOME": str(folder), "COLUMNS": "100"}


def as_on_a_laptop(output: str, *, folder: Path) -> str:
    """Output without the names of this machine: the folder is ``/home/me``, the account ``me``, the host ``laptop``."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output).replace(str(folder), "/home/me")
    for name, shown in ((getpass.getuser(), "me"), (socket.gethostname(), "laptop")):
        plain = re.sub(rf"(?<![\w/.-]){re.escape(name)}(?![\w/.-])", shown, plain)
    return "".join(f"{line.rstrip()}\n" for line in plain.splitlines())


def shortened(output: str) -> str:
    """A long output with its middle left out."""
    lines = output.splitlines(keepends=True)
    if len(lines) <= SHOWN_LINES:
        return output
    half = SHOWN_LINES // 2
    return "".join([*lines[:half], "...\n", *lines[-half:]])


def main() -> None:
    """Runs the commands and writes the page."""
    page = PAGE.read_text("utf-8")
    scratch = Path(tempfile.mkdtemp(prefix="tutorial-"))
    try:
        for command, _ in list(commands(page)):
            output = run(command, folder=scratch)
            sys.stderr.write(f"{command}\n{output}\n")
            old = next(found for found in BLOCK.finditer(page) if found["command"] == command)
            block = f"```bash\n{command}\n```\n\n```text\n{shortened(output)}```\n"
            page = page[: old.start()] + block + page[old.end() :]
            PAGE.write_text(page, "utf-8")  # what has run is kept where a later command fails
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
