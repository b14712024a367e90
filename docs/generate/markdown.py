"""Pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def escaped(text: str) -> str:
    """Text that shows as it is written, also in a cell of a table."""
    return re.sub(r"([\\`*_{}\[\]])", r"\\\1", _html(text)).replace("\n", " ")


def code(text: object) -> str:
    """An inline piece of code, also in a cell of a table."""
    return f"<code>{_html(str(text))}</code>" if "|" in str(text) else f"`{text}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown."""
    lines = [_line(head), _line(["---"] * len(head)), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "&#124;")
