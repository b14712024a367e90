"""The data that commands train on: a prepared store, or the embedded dataset, generated on first use."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hico_platform.config.protocol_file import find_protocol_rule, rule_text
from hico_platform.data.overlap import Chosen, overlapping, shown
from hico_platform.data.remote import open_store
from hico_platform.data.split import EVERY_SEQUENCE, Split, split_store
from hico_platform.data.split_guard import Purpose, require_open
from hico_platform.data.store import Store
from hico_platform.data.synth.presets import PRESETS
from hico_platform.data.synth.write import synthesise
from hico_platform.enums import Part
from hico_platform.errors import DataError, Problem

EMBEDDED, TRANSFER = "embedded", "transfer"
EMBEDDED_SEED = 0
LEAST_CLASSES = 2
INSIDE = "home:"

Progress = Callable[[str, int, int], None]
"""Called with what is generated, how many sequences are done, and of how many."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A store under a protocol; only its location is sent between processes.

    ``digest`` is that of the store and ``written`` what the protocol's file held, as JSON, where they are ``fixed``.
    """

    location: str
    protocol: str
    cache: Path
    digest: str = ""
    written: str = ""

    def fixed(self) -> Dataset:
        """This dataset as it is now: what is opened of it later is the same, or refused.

        What trains for hours opens it again and again, on several machines. Raises DataError and ConfigError where the
        store or the protocol's file cannot be read.
        """
        if self.digest:
            return self
        by_name = isinstance(find_protocol_rule(self.protocol), str)
        return dataclasses.replace(
            self,
            digest=open_store(self.location, cache=self.cache).digest,
            written="" if by_name else rule_text(self.protocol),
        )

    @property
    def rule_digest(self) -> str | None:
        """Tells the rule of a protocol's file from every other one; None where the protocol has a name alone."""
        return hashlib.sha256(self.written.encode()).hexdigest() if self.written else None

    def open(self) -> tuple[Store, Split]:
        """The store with its test split closed, and the split.

        Raises DataError where the store is torn or the protocol does not fit.
        """
        store, split = self._opened()
        return store.without(split.open_test(Purpose.COUNTS)), split

    def open_with_test(self, purpose: Purpose) -> tuple[Store, Split]:
        """The whole store and its split, for readers of test sequences.

        Raises DataError as :meth:`open`, and ClosedTestSplitError where the test split is closed to this purpose.
        """
        require_open(purpose)
        return self._opened()

    def _opened(self) -> tuple[Store, Split]:
        self._generate()
        store = open_store(self.location, cache=self.cache)
        if self.digest and store.digest != self.digest:
            raise DataError(
                Problem(file=store.directory, field="digest", value=store.digest[:12],
                        rule=f"the data that this began with, {self.digest[:12]}",
                        remedy="put them back, or begin again on these")
            )  # fmt: skip
        return store, split_store(store, find_protocol_rule(self.protocol, text=self.written))

    def _generate(self) -> None:
        """Makes a generated dataset that this machine lacks: the home of the driver may be on a disk of its own."""
        folder, home = Path(self.location), self.cache.parent
        for preset in (EMBEDDED, TRANSFER):
            if folder == home / "data" / f"{preset}-{EMBEDDED_SEED}":
                generated(preset, home=home)


def dataset(
    location: str | None, *, protocol: str, home: Path, preset: str = EMBEDDED, progress: Progress | None = None
) -> Dataset:
    """The dataset at a location (a folder, or ``file://``, ``s3://``, ``gs://``), else a generated one of ``home``."""
    if location is None:
        location = str(generated(preset, home=home, progress=progress))
    elif "://" not in location:
        location = str(Path(location).expanduser().absolute())
    return Dataset(location=location, protocol=protocol, cache=home / "cache")


def check_overlap(source: Dataset, target: Dataset | None, *, allowed: bool, on_all: bool = False) -> int:
    """How many sequences would be pretrained on and scored: of the source itself, and of the transfer target.

    A search scores on validation sequences and trains on the rest of the training part, or ``on_all`` of it, where its
    own validation sequences are pretrained on by design; retraining scores on the test part and trains on all of it.
    Raises DataError if there are any, unless it is ``allowed``.
    """
    store, split = source.open_with_test(Purpose.OVERLAP)
    fitted = Chosen(store=store, indices=np.concatenate([split.train, split.pretrain_only]))
    refitted = Chosen(store=store, indices=np.concatenate([split.train_and_val, split.pretrain_only_in_retraining]))
    total = 0
    opened = [("data", source.protocol, fitted, store, split)]
    if target is not None:
        of_target = target.open_with_test(Purpose.OVERLAP)
        opened.append(("transfer", target.protocol, refitted if on_all else fitted, *of_target))
    for field, protocol, searched, other, parts in opened:
        found = {
            *overlapping(searched, Chosen(store=other, indices=parts.val)),
            *overlapping(refitted, Chosen(store=other, indices=parts.open_test(Purpose.OVERLAP))),
        }
        total += len(found)
        if found and not allowed:
            raise DataError(
                Problem(file=store.directory, field=field, value=shown(sorted(found)),
                        rule=f"no sequence of {other.dataset} ({protocol}) both pretrained on and scored",
                        remedy="leave these out of the pretraining data, or give --allow-overlap, which is recorded")
            )  # fmt: skip
    return total


def with_usual_protocol(source: Dataset) -> Dataset:
    """The dataset under ``all`` if it has no labels, so that no part of it is held out; else as it is."""
    store = open_store(source.location, cache=source.cache)
    return source if store.labelled.any() else dataclasses.replace(source, protocol=EVERY_SEQUENCE)


def check_labels(scored: Dataset, *, field: str, part: Part) -> None:
    """Whether there is something to score on: labelled sequences of two classes or more in ``part``.

    Raises DataError if there is not, also where the protocol does not fit.
    """
    store = open_store(scored.location, cache=scored.cache)
    classes = np.zeros(0, np.int64)
    if store.labelled.any():
        _, split = scored.open()
        classes = np.unique(store.labels[split.parts(Purpose.COUNTS)[part]])
    if len(classes) < LEAST_CLASSES:
        where = {Part.VAL: "among the validation subjects", Part.TEST: "in the test part"}[part]
        found = f"{len(classes)} classes; {int(store.labelled.sum())} of {len(store)} sequences have a label"
        raise DataError(
            Problem(file=store.directory, field=field, value=found,
                    rule=f"labelled sequences of at least {LEAST_CLASSES} classes {where}, to score on",
                    remedy="label more of it and prepare it again, or use pretrain, which needs no label")
        )  # fmt: skip


def pretrain_only_facts(store: Store, indices: npt.NDArray[np.int64]) -> dict[str, int]:
    """How many sequences join pretraining alone, and how many of them have no label; empty if there are none.

    Older versions knew no such sequences, so data without them have the same facts as before.
    """
    if not len(indices):
        return {}
    unlabelled = int((~store.labelled[indices]).sum())
    return {"pretrain_only_sequences": len(indices), "unlabelled_sequences": unlabelled}


def portable(location: str, *, home: Path) -> str:
    """A dataset's location for the ledger: inside the home as ``home:...``, so that the home can be moved."""
    if "://" in location or not Path(location).is_relative_to(home):
        return location
    return f"{INSIDE}{Path(location).relative_to(home)}"


def located(recorded: str, *, home: Path) -> str:
    """The inverse of :func:`portable`.

    Older versions recorded whole paths, of generated datasets too: this home's own dataset is preferred. A generated
    dataset that this home lacks, since the search ran in another one, is generated.
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

        def report(done: int, total: int) -> None:
            if progress is not None:
                progress(preset, done, total)

        try:
            synthesise(directory, preset=PRESETS[preset], seed=EMBEDDED_SEED, progress=report)
        except DataError:
            if not directory.exists():  # else another process generated it
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
