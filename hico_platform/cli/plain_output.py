"""What is printed on a terminal or into a pipe whose encoding lacks a character: the same in plain letters.

Tables have ``±``, bars and ellipses. Where ``PYTHONIOENCODING`` or the locale names ASCII or Latin-1, Python would end
a command with UnicodeEncodeError in the middle of a table. This is the one place where that is mended, so that what
prints need not know.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper

_HANDLER = "hico_platform.plain"
_PLAIN = {
    "±": "+-", "…": "...", "\u2013": "-", "—": "-", "\u2212": "-", "\u00d7": "x", "·": ".", "•": "*",
    "→": "->", "←": "<-",
    "\u2018": "'", "\u2019": "'", "“": '"', "”": '"', "≥": ">=", "≤": "<=", "°": " deg", "µ": "u", "─": "-", "━": "-",
    "│": "|", "╸": "-", "╺": "-", "\N{NO-BREAK SPACE}": " ",
    **dict(zip("▁▂▃▄▅▆▇█", "_..--==#", strict=True)), "░": ".", "▒": ":", "▓": "#",
}  # fmt: skip


@contextmanager
def plain_where_needed() -> Iterator[None]:
    """In the block standard output and standard error replace what their encoding lacks."""
    with ExitStack() as stack:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper) and not _is_unicode(stream.encoding):
                stack.callback(stream.reconfigure, errors=stream.errors)
                stream.reconfigure(errors=_HANDLER)
        yield


def _is_unicode(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name.startswith("utf-")
    except LookupError:
        return False


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wanted = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in wanted), error.end


codecs.register_error(_HANDLER, _plain)
