"""What people add to a search to find it again: tags, a note, and whether it is archived; each with who and when.

Each tag is an entry of its own in the ledger, so that two people who tag a search at the same moment lose nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hico_platform.errors import Problem, UsageError
from hico_platform.names import MOST_CHARACTERS, is_name
from hico_platform.search.drivers import printable

RULE = (
    "a tag of letters, digits, dot, dash and underscore that begins with a letter or digit, "
    f"at most {MOST_CHARACTERS} characters"
)
MOST_OF_A_NOTE = 5000
"""Characters of a note; MLflow takes as many in a tag."""


@dataclass(frozen=True, kw_only=True)
class Signed:
    """Something that a person wrote: by whom (account name), and when (Unix time)."""

    by: str
    at_s: float

    @classmethod
    def signature(cls, plain: object) -> tuple[str, float]:
        """Who and when, of whatever another version or another program wrote."""
        content: Mapping[str, Any] = plain if isinstance(plain, Mapping) else {}
        by, at_s = content.get("by"), content.get("at_s")
        known = isinstance(at_s, int | float) and not isinstance(at_s, bool) and math.isfinite(at_s)
        return printable(by) if isinstance(by, str) else "unknown", float(at_s) if known and at_s else 0.0


@dataclass(frozen=True, kw_only=True)
class TagRecord(Signed):
    """A tag of a search."""

    name: str

    @classmethod
    def from_plain(cls, name: str, plain: object) -> TagRecord | None:
        """The tag that a ledger keeps; None where it was taken away again."""
        if not isinstance(plain, Mapping) or not is_name(name):
            return None
        by, at_s = cls.signature(plain)
        return cls(name=name, by=by, at_s=at_s)


@dataclass(frozen=True, kw_only=True)
class PersonsNote(Signed):
    """What a person wrote about a search."""

    text: str

    @classmethod
    def from_plain(cls, plain: object) -> PersonsNote | None:
        """The note that a ledger keeps, if there is one."""
        if not isinstance(plain, Mapping) or not isinstance(plain.get("text"), str) or not plain["text"]:
            return None
        by, at_s = cls.signature(plain)
        return cls(text=plain["text"], by=by, at_s=at_s)


def check_tag(text: str) -> str:
    """A tag that may be set.

    Raises:
        UsageError: it breaks the rule.
    """
    if not is_name(text):
        raise UsageError(Problem(field="TAG", rule=RULE, value=text, remedy="give another, such as baseline"))
    return text


def check_note(text: str) -> str:
    """A note that may be written.

    Raises:
        UsageError: it is too long, or no text.
    """
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8, which Python keeps as halves of characters
        raise UsageError(
            Problem(field="TEXT", rule="a text in UTF-8", value=ascii(text[:60]), remedy="write it in UTF-8")
        ) from None
    if len(text) > MOST_OF_A_NOTE:
        raise UsageError(
            Problem(
                field="TEXT",
                rule=f"at most {MOST_OF_A_NOTE} characters",
                value=f"{len(text)} characters",
                remedy="cut it, or note where the rest is",
            )
        )
    return text
