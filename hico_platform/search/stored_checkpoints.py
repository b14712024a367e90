"""The checkpoints of a search's trials in a store."""

from __future__ import annotations

from pathlib import Path

from hico_platform.checkpoint_files import ENCODER, encoder_alone
from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.errors import CheckpointError
from hico_platform.search.keep_rule import Kept
from hico_platform.search.kept_checkpoints import RECORD, KeptCheckpoints, KeptRecord, record_from


class StoredCheckpoints(KeptCheckpoints):
    """Every method raises StoreAwayError where the store does not answer."""

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

    def _names(self, number: int) -> list[str]:
        return self._store.names(f"{number:04d}")

    def _check_complete(self, last: str | None, name: str | None) -> None:
        if last is not None and name != Path(last).name:
            raise StoreAwayError(f"{self._store.address(last)} is not uploaded yet")

    def _cut(self, number: int, name: str) -> bool:
        return self._store.keep_encoder_alone(f"{number:04d}/{name}")

    def _remove(self, number: int, name: str) -> None:
        self._store.remove(f"{number:04d}/{name}")

    def _write_record(self, number: int, record: KeptRecord) -> None:
        self._store.write_json(f"{number:04d}/{RECORD}", record.as_plain())

    def _bytes(self, number: int, name: str) -> int:
        return self._store.sizes(f"{number:04d}")[name]

    def _encoder_bytes(self, number: int, name: str) -> int:
        """Its encoder is measured where it is still to be cut, which takes all of it over the network."""
        now = self._bytes(number, name)
        if self.record(number) is not None:
            return now
        try:
            content, blob = self._store.read(f"{number:04d}/{name}")
        except CheckpointError:
            return now  # torn: it stays
        if content["schema_version"] == ENCODER:
            return now
        return now - len(blob) + len(encoder_alone(content, blob)[1])
