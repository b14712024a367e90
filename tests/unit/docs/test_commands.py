"""The pages of commands, and the commands that pages show: each is parsed by the parser of its command."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import commands
from hico_platform.cli.main import COMMANDS
from hico_platform.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
BLOCK = re.compile(
    r"^(?:```[a-z]*[^\n]*\n(?P<fenced>.*?)^```|(?P<indented>(?:^ {4}[^\n]*\n)+))", re.MULTILINE | re.DOTALL
)


def shown(page: str) -> Iterator[str]:
    """The commands in a page's blocks of code, without comments and with continued lines joined."""
    for block in BLOCK.finditer(page):
        text = (block["fenced"] or block["indented"] or "").replace("\\\n", " ")
        for line in text.splitlines():
            if found := re.search(r"(?:^|\s|/)hico-platform (?!=)(?P<words>[a-z].*)", line):
                yield re.split(r"\s#\s|\s[|>]\s|\s+\[default|\s&&", found["words"])[0].strip()


def found_commands() -> list[tuple[str, str]]:
    return [
        (str(page.relative_to(ROOT)), command) for page in PAGES for command in shown(page.read_text("utf-8"))
    ]  # fmt: skip


def parsed(command: str) -> argparse.Namespace:
    words = [word.strip("[]") for word in shlex.split(command) if word != "..."]  # brackets: what may be left out
    name = next(name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS)
    return commands.parser_of(name).parse_args(words[len(name.split()) :])


@pytest.mark.slow
def test_every_command_on_a_page_is_one_that_its_parser_takes() -> None:
    found = found_commands()
    assert len(found) > 100
    wrong = []
    for page, command in found:
        if command.startswith("COMMAND"):
            continue
        try:
            parsed(command.replace("--format mine", "--format auto"))  # mine: the plug-in of the guide to new readers
        except (SystemExit, StopIteration, ValueError, UsageError) as error:
            wrong.append(f"{page}: hico-platform {command}: {error!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_there_is_a_page_for_every_command_with_every_option() -> None:
    pages = commands.pages()
    for name in COMMANDS:
        page = pages[f"reference/commands/{name.replace(' ', '-')}.md"]
        for action in commands.parser_of(name)._actions:
            if action.help is not argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
                assert all(f"{option}" in page for option in action.option_strings), (name, action)
        assert f"({name.replace(' ', '-')}.md)" in pages["reference/commands/index.md"]


def test_examples_are_blocks_of_code_and_text_is_escaped() -> None:
    page = commands.pages()["reference/commands/status.md"]
    assert "```bash\nhico-platform status\n" in page
    page = commands.pages()["reference/commands/search.md"]
    assert "<code>--data DIR</code>" in page or "`--data DIR`" in page
    assert "FILE|NAME" not in re.sub(r"```.*?```", "", page, flags=re.DOTALL)  # would begin a cell


@pytest.mark.parametrize(
    ("line", "command"), [("    hico-platform status mine --watch   # again\n", "status mine --watch")]
)
def test_comments_are_no_part_of_a_command(line: str, command: str) -> None:
    assert list(shown(line)) == [command]


MOST_COLUMNS = 100
TYPED = re.compile(r"\s*(?:\$ )?(?:\w+=\S+ )*(?:hico-platform|python3?|make|docker|kubectl|\.venv/bin/\S+)(?:\s|$)")
"""A line that a reader copies; what is printed is as wide as it is."""


def typed(page: str) -> Iterator[str]:
    """The lines of commands in a page's blocks of a shell, and in indented ones."""
    for block in BLOCK.finditer(page):
        language = re.match(r"```(\w*)", block[0])
        if language is None or language[1] in {"", "sh", "bash", "console"}:
            lines = (block["fenced"] or block["indented"] or "").splitlines()
            yield from (line for line in lines if TYPED.match(line))


def test_a_command_is_no_wider_than_a_page_shows_it() -> None:
    found = [(page, line) for page in PAGES for line in typed(page.read_text("utf-8"))]
    assert len(found) > 100
    wide = [f"{page.relative_to(ROOT)}: {line}" for page, line in found if len(line) > MOST_COLUMNS]
    assert not wide, "break it by a backslash, or put its comment above it:\n" + "\n".join(wide)


def test_what_is_printed_may_be_wide() -> None:
    page = "```text\nhico-platform a\n```\n\n    make b\n    printed\n\n```bash\nX=1 python c\n```\n"
    assert list(typed(page)) == ["    make b", "X=1 python c"]
