"""The checkpoints of a search's trials in a store, and what a rule takes of them away: as on disk, over the network."""

from __future__ import annotations

import time
from pathlib import Path

from hico_platform.checkpoint_files import ENCODER, encoder_alone
from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.search.keep_rule import Kept, Verdict
from hico_platform.search.trial_checkpoints import RECORD, KeptRecord, less, record_from


class StoredCheckpoints:
    """Does what :class:`~hico_platform.search.trial_checkpoints.TrialCheckpoints` does, in a store.

    Every method raises StoreAwayError where the store does not answer.
    """

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store

    def record(self, number: int) -> KeptRecord | None:
        """What was taken of a trial's checkpoint; None where it is whole."""
        return record_from(self._store.read_json(f"{number:04d}/{RECORD}"))

    def where(self, number: int, last: str) -> str:
        """Where a trial's checkpoint is, and what was taken of it; where that is not known, its address alone."""
        address = self._store.address(last)
        try:
            record = self.record(number)
        except StoreAwayError:
            return address
        if record is None:
            return address
        return str(record) if record.kept is Kept.NOTHING else f"{address} ({record})"

    def size(self, number: int) -> int:
        """The bytes of a trial's checkpoints."""
        return sum(self._store.sizes(f"{number:04d}").values())

    def size_after(self, number: int, verdict: Verdict, *, last: str | None) -> int:
        """The bytes that a verdict leaves; for a checkpoint that is still to be cut, its encoder is measured."""
        sizes = self._store.sizes(f"{number:04d}")
        name, kept = self._last(number, last), self._left(number, verdict)
        if name is None or kept is Kept.NOTHING:
            return 0
        if kept is Kept.WHOLE or self.record(number) is not None:
            return sizes[name]
        content, blob = self._store.read(f"{number:04d}/{name}")
        if content["schema_version"] == ENCODER:
            return sizes[name]
        return sizes[name] - len(blob) + len(encoder_alone(content, blob)[1])

    def apply(self, number: int, verdict: Verdict, *, last: str | None, at_s: float) -> bool:
        """Takes away what a verdict does not keep; returns whether there was anything to take.

        Raises:
            StoreAwayError: the store does not answer, or the last checkpoint is not uploaded yet.
            CheckpointError: it is torn, and stays as it is.
        """
        trial, known = f"{number:04d}", self.record(number)
        kept, name = self._left(number, verdict), self._last(number, last)
        if last is not None and known is None and name != Path(last).name:
            raise StoreAwayError(f"{self._store.address(last)} is not uploaded yet")
        older = [one for one in self._store.names(trial) if one != name]
        for one in older:
            self._store.remove(f"{trial}/{one}")
        if kept is Kept.WHOLE or (name is None and known is None):
            return bool(older)
        if name is not None and kept is Kept.ENCODER:
            self._store.keep_encoder_alone(f"{trial}/{name}")
        is_new = known is None or known.kept is not kept
        if is_new:
            record = KeptRecord(kept=kept, why=verdict.why, at_s=at_s or time.time())
            self._store.write_json(f"{trial}/{RECORD}", record.as_plain())
        if name is not None and kept is Kept.NOTHING:
            self._store.remove(f"{trial}/{name}")
        return bool(older) or is_new

    def _left(self, number: int, verdict: Verdict) -> Kept:
        known = self.record(number)
        return verdict.kept if known is None else less(known.kept, verdict.kept)

    def _last(self, number: int, last: str | None) -> str | None:
        names = self._store.names(f"{number:04d}")
        own = None if last is None else Path(last).name
        return own if own in names else (names[-1] if names else None)
