"""One rule for the names of searches, which are also names of folders, experiments, models and studies."""

from __future__ import annotations

import re

from hico_platform.errors import Problem, UsageError

MOST_CHARACTERS = 100
RULE = (
    "a name of letters, digits, dot, dash and underscore that begins with a letter or digit, "
    f"at most {MOST_CHARACTERS} characters"
)
REMEDY = "give another: it names folders and tracking experiments"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MOST_BYTES = 255
"""The longest folder name that all file systems in use accept."""


def is_name(text: str) -> bool:
    """Whether a new search may have this name."""
    return len(text) <= MOST_CHARACTERS and _NAME.fullmatch(text) is not None


def check_name(text: str, *, field: str) -> str:
    """The name of a new search.

    Raises:
        UsageError: it breaks the rule.
    """
    if not is_name(text):
        raise UsageError(Problem(field=field, rule=RULE, value=text, remedy=REMEDY))
    return text


def is_known_name(text: str) -> bool:
    """Whether an existing search may have this name: one from before the rule is any name of a single folder."""
    if is_name(text):
        return True
    too_long = len(text.encode(errors="surrogateescape")) > MOST_BYTES
    return text not in {"", ".", ".."} and not too_long and text.isprintable() and not set(text) & set("/\\")


def check_known_name(text: str, *, field: str) -> str:
    """The name of a search that may have been created before the rule.

    Raises:
        UsageError: it could name something other than a folder of the home's searches.
    """
    if not is_known_name(text):
        raise UsageError(Problem(field=field, rule=RULE, value=text, remedy=REMEDY))
    return text


def name_from(text: str) -> str:
    """A valid name close to a text, such as a file's name: other characters become dashes."""
    nearest = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:MOST_CHARACTERS]
    return nearest or "unnamed"
