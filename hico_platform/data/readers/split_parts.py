"""Which part of a split a word in a file stands for, by one rule for every format that comes with a split."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hico_platform.data.split import PART_WORDS
from hico_platform.enums import Part

_PART_OF_WORD = {word: part for part, words in PART_WORDS.items() for word in words}


def split_parts(words: Iterable[str]) -> dict[str, str]:
    """Word to ``train``, ``val`` or ``test`` for the words of one protocol; other words are left out.

    ``val`` is the test part where there is no other: published files of NTU and PKU-MMD (pyskl, HiCo) call it so.
    Beside a test part it is what it says, validation.
    """
    parts = {word: _PART_OF_WORD[word] for word in words if word in _PART_OF_WORD}
    if Part.TEST not in parts.values():
        parts = {word: Part.TEST if part is Part.VAL else part for word, part in parts.items()}
    return {word: part.value for word, part in parts.items()}


def plain_rule(column: str, parts: Collection[str]) -> dict[str, dict[str, str]]:
    """A protocol over the metadata column that says the part of each sequence, as a plain rule for the store."""
    return {part.value: {column: part.value} for part in Part if part is not Part.VAL or part in parts}
