"""The text of a YAML file from its bytes; an encoding that is not UTF-8 is named, and so is what is no text."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from hico_platform.errors import ConfigError, Problem

MOST_BYTES = 256 * 1024
"""Far more than any configuration; a YAML parser takes some seconds for it."""

_UTF8_RULE = "text in UTF-8"
# UTF-32 comes first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# What YAML calls printable (5.1), without a byte order mark: one in the middle is no text either.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_SAVE_REMEDY = "save it as UTF-8"


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: it cannot be read, is too large, or is no text in UTF-8.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(Problem(file=file, rule="a readable file", value=reason, remedy="check the path")) from error
    if len(data) > MOST_BYTES:
        raise ConfigError(_too_large(file))
    return _decoded(data, file)


def check_text(text: str, *, file: Path | str | None) -> None:
    """Whether a text is one that YAML admits.

    Raises:
        ConfigError: it is too long, or has a character that is not printable.
    """
    if len(text) > MOST_BYTES:
        raise ConfigError(_too_large(file))
    found = _UNPRINTABLE.search(text)
    if found is not None:
        code = ord(found.group())
        value = "a NUL byte" if code == 0 else f"U+{code:04X}"
        raise ConfigError(
            Problem(
                file=file,
                line=_line_of(text, found.start()),
                rule="text without control characters",
                value=value,
                remedy="remove the character, or check the path: it may be no text file",
            )
        )


def _decoded(data: bytes, file: Path) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            raise ConfigError(Problem(file=file, rule=_UTF8_RULE, value=name, remedy=_SAVE_REMEDY))
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        # Every second byte of plain text in UTF-16 is zero, and none of it in UTF-8.
        halves = data[: len(data) // 2 * 2][::2], data[1::2]
        wide = len(data) > 1 and any(half.count(0) > 0.8 * len(half) for half in halves)
        remedy = _SAVE_REMEDY if wide else "check the path: it may be no text file"
        value = "UTF-16 without a byte order mark" if wide else f"a NUL byte on line {_byte_line(data, data.index(0))}"
        raise ConfigError(Problem(file=file, rule=_UTF8_RULE, value=value, remedy=remedy))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        latin = bytes([byte]).decode("latin-1")
        shown = f", {latin} in Latin-1" if latin.isprintable() else ""
        raise ConfigError(
            Problem(
                file=file,
                line=_byte_line(data, error.start),
                rule=_UTF8_RULE,
                value=f"the byte 0x{byte:02x}{shown}",
                remedy=_SAVE_REMEDY,
            )
        ) from error


def _too_large(file: Path | str | None) -> Problem:
    return Problem(
        file=file,
        rule=f"at most {MOST_BYTES // 1024} KiB of configuration",
        value="more",
        remedy="check the path; data belongs in other files",
    )


def _byte_line(data: bytes, index: int) -> int:
    return _line_of(data[:index].decode("latin-1").replace("\x85", " "), index)


def _line_of(text: str, index: int) -> int:
    return 1 + sum(1 for _ in _LINE_END.finditer(text, 0, index))
