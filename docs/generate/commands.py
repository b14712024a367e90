"""A page for each command, from its own parser, and the page that lists them."""

from __future__ import annotations

import argparse
import importlib
import os
import re
from typing import Any

from docs.generate.markdown import code, escaped, table
from hico_platform.cli import main, parser


def navigation() -> list[Any]:
    """The pages in the order of ``hico-platform --help``."""
    return ["reference/commands/index.md", *({name: _file(name)} for name in main.COMMANDS)]


def pages() -> dict[str, str]:
    """Name of the file to its Markdown."""
    return {"reference/commands/index.md": _index(), **{_file(name): _page(name) for name in main.COMMANDS}}


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command, as the command line makes it."""
    return parser.parser_of(name, importlib.import_module(f"hico_platform.cli.{main.COMMANDS[name][0]}"))


def _file(name: str) -> str:
    return f"reference/commands/{name.replace(' ', '-')}.md"


def _index() -> str:
    rows = [
        (f"[{code(name)}]({name.replace(' ', '-')}.md)", escaped(about)) for name, (_, about) in main.COMMANDS.items()
    ]
    return "\n".join(
        [
            "# Commands",
            "",
            "`hico-platform COMMAND [OPTIONS]`. Each command shows the same text with `--help`.",
            "",
            table(["command", "what it does"], rows),
            "Everything is kept in one folder: `--home DIR`, else `$HICO_HOME`, else `~/.hico`. An error is one line,",
            "`FILE:LINE: FIELD: expected RULE, got VALUE; REMEDY`, with an [exit code](../exit-codes.md);",
            "`--traceback` adds where it came from.",
            "",
        ]
    )


def _page(name: str) -> str:
    own = parser_of(name)
    lines = [
        f"# {name}",
        "",
        *_description(own.description or ""),
        "",
        "## Usage",
        "",
        "```text",
        _usage(own),
        "```",
    ]
    for group in own._action_groups:
        actions = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]
        actions = [action for action in actions if action.help is not argparse.SUPPRESS]
        if actions:
            lines += ["", f"## {(group.title or 'options').capitalize()}", ""]
            lines += [escaped(group.description), ""] if group.description else []
            lines.append(table(["", "meaning"], [(_names(action), _meaning(action, own)) for action in actions]))
    if own.epilog:
        lines += ["", *_description(own.epilog)]
    return "\n".join(lines) + "\n"


def _usage(own: argparse.ArgumentParser) -> str:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "78"
    try:
        return own.format_usage().strip()
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _names(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else None
    if action.choices is not None and value is None:
        value = "|".join(map(str, action.choices))
    if not action.option_strings:
        return code(value or action.dest)
    shown = action.nargs != 0
    return ", ".join(
        code(f"{name} {value or action.dest.upper()}" if shown else name) for name in action.option_strings
    )


def _meaning(action: argparse.Action, own: argparse.ArgumentParser) -> str:
    text = own._get_formatter()._expand_help(action) if action.help else ""
    required = " **Required.**" if action.required and action.option_strings else ""
    return escaped(text) + required


def _description(text: str) -> list[str]:
    """Paragraphs as they are, and the examples as a block of code."""
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        prose: list[str] = []
        shown: list[str] = []
        for line in block.splitlines():
            (shown if line.startswith("  ") else prose).append(line)
        lines += [
            escaped(line.replace("example", "Example", 1) if line.startswith("example") else line) for line in prose
        ]
        lines.append("")
        if shown:
            kind = "bash" if any("hico-platform" in line for line in shown) else "text"
            lines += [f"```{kind}", *(line[2:] for line in shown), "```", ""]
    return lines
