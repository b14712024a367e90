"""Text for a terminal: made safe, since a shared study may hold escape sequences, and commands that are folded."""

from __future__ import annotations

import unicodedata

_KEPT = {"\n", "\t"}
# Format characters that change the text direction, with which a name could be displayed as another.
_DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}


def plain(text: str) -> str:
    """The text with control characters, such as those of escape sequences, replaced by question marks."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "?"
        if character not in _KEPT and (unicodedata.category(character) in {"Cc", "Cs"} or ord(character) in _DIRECTIONS)
        else character
        for character in text
    )


def plain_line(text: str) -> str:
    """The same in one line."""
    return plain(text.replace("\n", " ").replace("\t", " "))


def rich_text(text: str) -> str:
    """The same for a string that rich parses for markup, with its brackets escaped."""
    from rich.markup import escape

    return escape(plain_line(text))


def folded(label: str, command: str, *, width: int | None) -> list[str]:
    """``label: command`` in lines of at most ``width`` characters that a shell takes as one, where that is possible."""
    whole = f"{label}: {command}"
    if width is None or len(whole) <= width:
        return [whole]
    lines = [f"{label}:", "  "]
    for part in command.replace(" --", "\0--").split("\0"):
        joined = f"{lines[-1]}{'' if lines[-1].isspace() else ' '}{part}"
        if len(joined) + 2 <= width or lines[-1].isspace():
            lines[-1] = joined
        else:
            lines[-1] += " \\"
            lines.append(f"    {part}")
    return lines
