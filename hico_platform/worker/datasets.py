"""Where a stage gets its data: a prepared store, or the embedded dataset, made on first use."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hico_platform.config.protocol_file import find_protocol_rule
from hico_platform.data.remote import open_store
from hico_platform.data.split import Split, split_store
from hico_platform.data.store import Store
from hico_platform.data.synth.presets import PRESETS
from hico_platform.data.synth.write import synthesise
from hico_platform.errors import DataError

EMBEDDED, TRANSFER = "embedded", "transfer"
EMBEDDED_SEED = 0
INSIDE = "home:"

Progress = Callable[[str, int, int], None]
"""Told what is made, how many sequences are done, and of how many."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A store under a protocol; travels between processes as its place."""

    place: str
    protocol: str
    cache: Path

    def open(self) -> tuple[Store, Split]:
        """The store and its split. Raises DataError where it is torn or the protocol does not fit."""
        store = open_store(self.place, cache=self.cache)
        return store, split_store(store, find_protocol_rule(self.protocol))


def dataset(
    place: str | None, *, protocol: str, home: Path, preset: str = EMBEDDED, progress: Progress | None = None
) -> Dataset:
    """The dataset at ``place`` (a folder, or ``file://``, ``s3://``, ``gs://``), else a generated one of ``home``."""
    if place is None:
        place = str(generated(preset, home=home, progress=progress))
    elif "://" not in place:
        place = str(Path(place).expanduser().absolute())
    return Dataset(place=place, protocol=protocol, cache=home / "cache")


def portable(place: str, *, home: Path) -> str:
    """A dataset's place for the ledger: inside the home as ``home:...``, which stays true when the home is moved."""
    if "://" in place or not Path(place).is_relative_to(home):
        return place
    return f"{INSIDE}{Path(place).relative_to(home)}"


def located(recorded: str, *, home: Path) -> str:
    """The inverse of :func:`portable`.

    Older versions recorded whole paths, of generated datasets too: this home's own goes before that of another. A
    generated dataset that this home lacks, since the search ran in another one, is made.
    """
    name = Path(recorded).name
    presets = {f"{preset}-{EMBEDDED_SEED}": preset for preset in (EMBEDDED, TRANSFER)}
    if recorded.startswith(INSIDE):
        if recorded == f"{INSIDE}data/{name}" and name in presets:
            return str(generated(presets[name], home=home))
        return str(home / recorded.removeprefix(INSIDE))
    is_generated = "://" not in recorded and name in presets
    return str(home / "data" / name) if is_generated and (home / "data" / name).is_dir() else recorded


def generated(preset: str, *, home: Path, progress: Progress | None = None) -> Path:
    """The folder of a generated dataset, made on first use."""
    directory = home / "data" / f"{preset}-{EMBEDDED_SEED}"
    if not directory.exists():

        def told(done: int, total: int) -> None:
            if progress is not None:
                progress(preset, done, total)

        try:
            synthesise(directory, preset=PRESETS[preset], seed=EMBEDDED_SEED, progress=told)
        except DataError:
            if not directory.exists():  # else another process made it meanwhile
                raise
    return directory


def code_version() -> str:
    """The version of this package, with the commit where it runs from a checkout."""
    from hico_platform import __version__

    commit = os.environ.get("HICO_COMMIT") or _commit()
    return f"{__version__}+{commit}" if commit else __version__


def _commit() -> str | None:
    git = Path(__file__).resolve().parents[2] / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head[:12]
        reference = head.removeprefix("ref: ")
        loose = git / reference
        if loose.is_file():
            return loose.read_text().strip()[:12]
        for line in (git / "packed-refs").read_text().splitlines():
            if line.endswith(f" {reference}"):
                return line[:12]
    except OSError:
        pass
    return None
