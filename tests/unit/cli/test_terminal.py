from __future__ import annotations

import io

import pytest
from rich.console import Console

from hico_platform.cli.terminal import plain, plain_line, rich_text


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
