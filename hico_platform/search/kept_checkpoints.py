"""What a rule takes of a trial's checkpoints, and in which order, wherever they are.

``0003/kept.json`` says what is kept of trial 3, why and since when. It is written before a checkpoint is removed, and
after one is cut, which shows by itself. Every step may be done again, so a kill at any moment is made up for by whoever
applies the rule next.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hico_platform.search.keep_rule import Kept, Verdict

RECORD = "kept.json"
_ORDER = (Kept.WHOLE, Kept.ENCODER, Kept.NOTHING)


@dataclass(frozen=True, kw_only=True)
class KeptRecord:
    """What was taken of a trial's checkpoint: what is left, why, and when (Unix time)."""

    kept: Kept
    why: str
    at_s: float

    def __str__(self) -> str:
        """In words: what is left, since when and why."""
        day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.at_s))
        since = "on" if self.kept is Kept.NOTHING else "since"
        return f"{self.kept} {since} {day}: {self.why} (keep)"

    def as_plain(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {"kept": str(self.kept), "why": self.why, "at_s": self.at_s}


def record_from(plain: object) -> KeptRecord | None:
    """The record that plain values are; None where they are none."""
    if not isinstance(plain, dict):
        return None
    try:
        return KeptRecord(kept=Kept(plain["kept"]), why=str(plain["why"]), at_s=float(plain["at_s"]))
    except (ValueError, KeyError, TypeError):
        return None


def less(one: Kept, other: Kept) -> Kept:
    """What is left where both were applied: nothing that was removed comes back."""
    return max(one, other, key=_ORDER.index)


class KeptCheckpoints(ABC):
    """The checkpoints of a search's trials; a place for them says how each step is done there."""

    def apply(self, number: int, verdict: Verdict, *, last: str | None, at_s: float) -> bool:
        """Takes away what a verdict does not keep; returns whether there was anything to take.

        Args:
            number: of a trial that has ended.
            verdict: what is kept.
            last: its last checkpoint as the ledger has it; None takes the newest.
            at_s: Unix time, for the record.

        Raises:
            CheckpointError: it is torn or unreadable, and stays as it is.
            OSError: the disk is full, or not to be written; or the store does not answer (StoreAwayError).
        """
        known, names = self.record(number), self._names(number)
        kept, name = _left(known, verdict), _standing(names, last)
        if known is None:
            self._check_complete(last, name)
        older = [one for one in names if one != name]
        for one in older:  # first: it makes room
            self._remove(number, one)
        if kept is Kept.WHOLE or (name is None and known is None):
            return bool(older)
        was_whole = kept is Kept.ENCODER and name is not None and self._cut(number, name)
        is_new = known is None or known.kept is not kept
        if is_new:
            self._write_record(number, KeptRecord(kept=kept, why=verdict.why, at_s=at_s))
        if kept is Kept.NOTHING and name is not None:
            self._remove(number, name)
            return True
        return bool(older) or is_new or was_whole

    def size_after(self, number: int, verdict: Verdict, *, last: str | None) -> int:
        """The bytes that a verdict leaves, give or take a header."""
        kept, name = _left(self.record(number), verdict), _standing(self._names(number), last)
        if name is None or kept is Kept.NOTHING:
            return 0
        return self._bytes(number, name) if kept is Kept.WHOLE else self._encoder_bytes(number, name)

    @abstractmethod
    def record(self, number: int) -> KeptRecord | None:
        """What was taken of a trial's checkpoint; None where it is whole."""

    @abstractmethod
    def size(self, number: int) -> int:
        """The bytes of a trial's checkpoints."""

    @abstractmethod
    def _names(self, number: int) -> Sequence[str]:
        """A trial's checkpoints, the oldest first."""

    def _check_complete(self, last: str | None, name: str | None) -> None:  # noqa: B027 (most places have no more)
        """Raises StoreAwayError where ``last`` is still to arrive, and ``name`` stands for it meanwhile."""

    @abstractmethod
    def _cut(self, number: int, name: str) -> bool:
        """Cuts a checkpoint to its encoder, or finishes that; returns whether it was whole."""

    @abstractmethod
    def _remove(self, number: int, name: str) -> None:
        """Removes a checkpoint."""

    @abstractmethod
    def _write_record(self, number: int, record: KeptRecord) -> None:
        """Writes the record of a trial, whole."""

    @abstractmethod
    def _bytes(self, number: int, name: str) -> int:
        """The bytes of a checkpoint."""

    @abstractmethod
    def _encoder_bytes(self, number: int, name: str) -> int:
        """The bytes of a checkpoint once it is cut; of one that cannot be, as it is."""


def _left(known: KeptRecord | None, verdict: Verdict) -> Kept:
    return verdict.kept if known is None else less(known.kept, verdict.kept)


def _standing(names: Sequence[str], last: str | None) -> str | None:
    """The checkpoint that stands for a trial: the one that the ledger names, else the newest."""
    own = None if last is None else Path(last).name
    return own if own in names else (names[-1] if names else None)
