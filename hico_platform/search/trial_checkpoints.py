"""The checkpoints of a search's trials on disk."""

from __future__ import annotations

import json
from pathlib import Path

from hico_platform import checkpoint_files
from hico_platform.atomic_io import write_whole
from hico_platform.search.disk_use import folder_bytes
from hico_platform.search.kept_checkpoints import RECORD, KeptCheckpoints, KeptRecord, record_from


def kept_record(folder: Path) -> KeptRecord | None:
    """What was taken of the checkpoint in a trial's folder; None where it is whole."""
    try:
        return record_from(json.loads((folder / RECORD).read_bytes()))
    except (OSError, ValueError):
        return None


class TrialCheckpoints(KeptCheckpoints):
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
        return sum(self._bytes(number, name) for name in self._names(number))

    def _names(self, number: int) -> list[str]:
        return [folder.name for folder in checkpoint_files.folders(self.of(number))]

    def _cut(self, number: int, name: str) -> bool:
        folder = self.of(number) / name
        was_whole = not checkpoint_files.is_encoder_alone(folder)
        checkpoint_files.keep_encoder_alone(folder)  # a full disk leaves it whole, and unrecorded
        return was_whole

    def _remove(self, number: int, name: str) -> None:
        checkpoint_files.remove(self.of(number) / name)

    def _write_record(self, number: int, record: KeptRecord) -> None:
        write_whole(self.of(number) / RECORD, json.dumps(record.as_plain()).encode())

    def _bytes(self, number: int, name: str) -> int:
        return folder_bytes(self.of(number) / name) or 0

    def _encoder_bytes(self, number: int, name: str) -> int:
        try:
            return checkpoint_files.encoder_bytes(self.of(number) / name)
        except (OSError, ValueError, KeyError):
            return self._bytes(number, name)  # torn: it stays
