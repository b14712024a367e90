"""Notes in Markdown that MLflow's pages show with a run, as descriptions that people may edit.

A tag keeps a digest of the note that this project wrote last. A note of another digest was written by a person, and
stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

NOTE_TAG = "mlflow.note.content"
"""MLflow's tag of a run's or an experiment's description."""

DIGEST_TAG = "hico.note_digest"
"""The digest of the note that was written last."""

MOST_CHARACTERS = 4900
"""A tag takes 5,000."""


def note_tags(text: str, before: Mapping[str, str], *, also_ours: Collection[str] = ()) -> Mapping[str, str]:
    """The tags that give a run a note; none if a person wrote the one that it has, or it has this one.

    Args:
        text: the note, in Markdown.
        before: the run's tags.
        also_ours: notes without a digest that earlier versions wrote.
    """
    text = text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 4]}\n..."
    shown = before.get(NOTE_TAG, "")
    is_ours = not shown or _digest(shown) == before.get(DIGEST_TAG) or shown in also_ours
    if not is_ours or shown == text or (not shown and before.get(DIGEST_TAG)):
        return {}
    return {NOTE_TAG: text, DIGEST_TAG: _digest(text)}


def table(rows: Mapping[str, object], *, heading: tuple[str, str]) -> list[str]:
    """A table of two columns, as lines of Markdown; nothing without rows."""
    if not rows:
        return []
    cells = [heading, ("---", "---"), *((f"`{name}`", _cell(value)) for name, value in rows.items())]
    return [f"| {left} | {right} |" for left, right in cells]


def plain(text: str) -> str:
    """A text that may come from elsewhere, such as a shared ledger, without what Markdown would make of it."""
    return "".join(f"\\{one}" if one in "\\`*_[]<>|#" else one for one in " ".join(text.split()))


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else plain(str(value))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
