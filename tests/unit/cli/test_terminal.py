from __future__ import annotations

import io
import shlex

import pytest
from rich.console import Console

from hico_platform.cli.terminal import folded, plain, plain_line, rich_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("level_weights, 0.512 é 漢字 😀", "level_weights, 0.512 é 漢字 😀"),
        ("a\nb\tc", "a\nb\tc"),
        ("\x1b]0;title\x07\x1b[2J\r\x9b31m\x7f", "?]0;title??[2J??31m?"),
        ("user\u202etxt.exe", "user?txt.exe"),
        ("\ud800", "?"),
    ],
)
def test_control_characters_are_taken_out(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_markup_stays_text() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(rich_text("[bold]o'b[/x]\nnext"))
    assert console.file.getvalue() == "[bold]o'b[/x] next\n"
    assert plain_line("a\nb") == "a b"


def test_a_folded_command_is_the_same_for_a_shell() -> None:
    command = "hico-platform retrain level_weights --home /tmp/some/long/folder --tracking sqlite:////tmp/another.db"
    assert folded("next", command, width=None) == [f"next: {command}"]
    assert folded("next", "hico-platform ui", width=60) == ["next: hico-platform ui"]
    label, *lines = folded("next", command, width=60)
    assert label == "next:"
    assert len(lines) == 3
    assert max(map(len, lines)) <= 60
    joined = "\n".join(lines).replace("\\\n", "")  # as a shell reads it
    assert shlex.split(joined) == shlex.split(command)
