"""Small differences between Markdown as the repository is shown elsewhere and as the site reads it."""

from __future__ import annotations

import re

_ITEM = re.compile(r"([-*]|\d+\.) ")


def with_lists_apart(markdown: str) -> str:
    """An empty line before each list that follows a line of text, without which the site shows no list."""
    lines: list[str] = []
    code = listed = False
    before = ""
    for line in markdown.splitlines():
        code ^= line.startswith("```")
        item = not code and _ITEM.match(line) is not None
        if item and not listed and before.strip():
            lines.append("")
        listed = item or (listed and (line.startswith(" ") or not line.strip()))
        before = line
        lines.append(line)
    return "\n".join(lines) + "\n"
