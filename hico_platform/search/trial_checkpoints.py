"""The checkpoints of a search's trials on disk, and what a rule takes of them away.

``0003/kept.json`` says what is kept of trial 3, why and since when. It is written before a checkpoint is removed, and
after one is cut, which shows by itself. Every step may be done again, so a kill at any moment is made up for by whoever
applies the rule next.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from hico_platform import checkpoint_files
from hico_platform.atomic_io import write_whole
from hico_platform.search.keep_rule import Kept, Verdict
from hico_platform.search.listing import folder_bytes

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


def kept_record(folder: Path) -> KeptRecord | None:
    """What was taken of the checkpoint in a trial's folder; None where it is whole."""
    try:
        return record_from(json.loads((folder / RECORD).read_bytes()))
    except (OSError, ValueError):
        return None


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


class TrialCheckpoints:
    """The checkpoints below the folder of a search's trials.

    Args:
        folder: has a folder for each trial, by number.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, number: int) -> Path:
        """The folder of a trial."""
        return self._folder / f"{number:04d}"

    def record(self, number: int) -> KeptRecord | None:
        """What was taken of a trial's checkpoint; None where it is whole."""
        return kept_record(self.of(number))

    def size(self, number: int) -> int:
        """The bytes of a trial's checkpoints."""
        return sum(folder_bytes(folder) or 0 for folder in checkpoint_files.folders(self.of(number)))

    def size_after(self, number: int, verdict: Verdict, *, last: str | None) -> int:
        """The bytes that a verdict leaves, give or take a header."""
        kept, checkpoint = self._left(number, verdict), self._last(number, last)
        if checkpoint is None or kept is Kept.NOTHING:
            return 0
        if kept is Kept.WHOLE:
            return folder_bytes(checkpoint) or 0
        try:
            return checkpoint_files.encoder_bytes(checkpoint)
        except (OSError, ValueError, KeyError):
            return folder_bytes(checkpoint) or 0  # torn: it stays

    def apply(self, number: int, verdict: Verdict, *, last: str | None, at_s: float) -> bool:
        """Takes away what a verdict does not keep; returns whether there was anything to take.

        Args:
            number: of a trial that has ended.
            verdict: what is kept.
            last: its last checkpoint as the ledger has it; None takes the newest.
            at_s: Unix time, for the record.

        Raises:
            CheckpointError: it is torn or unreadable, and stays as it is.
            OSError: the disk is full, or not to be written.
        """
        kept, checkpoint = self._left(number, verdict), self._last(number, last)
        known = self.record(number)
        older = [one for one in checkpoint_files.folders(self.of(number)) if one != checkpoint]
        for one in older:  # first: it makes room
            checkpoint_files.remove(one)
        is_cut = checkpoint is None or checkpoint_files.is_encoder_alone(checkpoint)
        if kept is Kept.WHOLE or (checkpoint is None and known is None):
            return bool(older)
        if kept is Kept.ENCODER and checkpoint is not None:
            checkpoint_files.keep_encoder_alone(checkpoint)  # a full disk leaves it whole, and unrecorded
        is_new = known is None or known.kept is not kept
        if is_new:
            record = KeptRecord(kept=kept, why=verdict.why, at_s=at_s)
            write_whole(self.of(number) / RECORD, json.dumps(record.as_plain()).encode())
        if kept is Kept.NOTHING and checkpoint is not None:
            checkpoint_files.remove(checkpoint)
            return True
        return bool(older) or is_new or not is_cut

    def _left(self, number: int, verdict: Verdict) -> Kept:
        known = self.record(number)
        return verdict.kept if known is None else less(known.kept, verdict.kept)

    def _last(self, number: int, last: str | None) -> Path | None:
        """The checkpoint that stands for a trial: the one that the ledger names, else the newest."""
        found = checkpoint_files.folders(self.of(number))
        name = None if last is None else Path(last).name
        return next((one for one in found if one.name == name), found[-1] if found else None)
