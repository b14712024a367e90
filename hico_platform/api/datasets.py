"""Prepared datasets: opened, made of raw files, and made of arrays in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from hico_platform.api.places import PathLike, folder_of, location_of
from hico_platform.api.session import session, warn
from hico_platform.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from hico_platform.data.split import Split
    from hico_platform.data.store import Store
    from hico_platform.worker.datasets import Dataset

GENERATED = ("embedded", "transfer")
"""Names of the datasets that are generated in a home on first use."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """One recorded action.

    Attributes:
        name: unique in its dataset.
        pose: float32 (T, M, J, C): T frames, M bodies, J joints, C = 3 coordinates in metres (2 of poses in an image).
            In a prepared dataset a missing joint is zeros; to be prepared, NaN.
        label: the index of its class, or, to be prepared, the name of it; None where it is not known.
        metadata: subject, camera, setup and whatever else is known.
    """

    name: str
    pose: npt.NDArray[np.float32]
    label: int | str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Recordings(Sequence[Recording]):
    """The recordings of a prepared dataset, memory-mapped: by index, by name, or one after the other.

    With a protocol it has the parts :attr:`train` and :attr:`val`, and the test split is closed, as it is to searches
    and pretrainings: labels of test recordings are -1, and their poses are refused. :meth:`open_test` opens it, to
    score an encoder that is finished.
    """

    def __init__(
        self,
        store: Store,
        *,
        location: str,
        indices: npt.NDArray[np.int64] | None = None,
        source: Dataset | None = None,
    ) -> None:
        self._store = store
        self._indices = indices
        self._source = source
        self.location = location
        """The folder or address."""

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self._store.dataset

    @property
    def digest(self) -> str:
        """A hash of the content."""
        return self._store.digest

    @property
    def joints(self) -> tuple[str, ...]:
        """The names of the joints, in the order of the poses."""
        return self._store.layout.joints

    @property
    def layout(self) -> str:
        """The name of the layout of its skeletons."""
        return self._store.layout.name

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes; labels are indices into them."""
        return self._store.class_names

    @property
    def protocol(self) -> str | None:
        """The protocol that it was opened with."""
        return None if self._source is None else self._source.protocol

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each recording."""
        names = self._store.names
        return names if self._indices is None else tuple(names[i] for i in self._indices)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The class of each recording, int64 (N,); -1 where there is no label, or it is of a closed test split."""
        return self._store.labels if self._indices is None else self._store.labels[self._indices]

    @property
    def metadata(self) -> pd.DataFrame:
        """A row for each recording, by its name: label, class, frames, bodies, and the columns of the dataset."""
        import pandas as pd

        store, chosen = self._store, self._chosen
        labels = store.labels[chosen]
        columns: dict[str, Any] = {
            "label": labels,
            "class": [store.class_names[label] if label >= 0 else None for label in labels],
            "frames": store.num_frames[chosen],
            "bodies": store.num_bodies[chosen],
        }
        for name in store.columns:
            values = store.column(name)
            if values is not None and name not in columns:
                columns[name] = values[chosen]
        return pd.DataFrame(columns, index=pd.Index(self.names, name="name"))

    @property
    def train(self) -> Recordings:
        """What searches and pretrainings train on. Raises UsageError without a protocol."""
        return self._part(self._split().train)

    @property
    def val(self) -> Recordings:
        """The validation subjects, taken from the training part of the protocol. Raises UsageError without one."""
        return self._part(self._split().val)

    @property
    def pretrain_only(self) -> Recordings:
        """What joins pretraining and is never scored. Raises UsageError without a protocol."""
        return self._part(self._split().pretrain_only)

    def open_test(self) -> Recordings:
        """The test split, to score an encoder that is finished: nothing may be chosen by what is seen here.

        Raises:
            UsageError: there is no protocol.
            ClosedTestSplitError: this is called within a search or a pretraining.
        """
        from hico_platform.data.split_guard import Purpose

        store, split = self._with_protocol().open_with_test(Purpose.EVALUATION)
        indices = split.open_test(Purpose.EVALUATION)
        return Recordings(store, location=self.location, indices=indices)

    def pose(self, recording: int | str) -> npt.NDArray[np.float32]:
        """The pose of a recording, by index or name, float32 (T, M, J, C); read-only.

        Raises:
            ClosedTestSplitError: it is of the closed test split.
            KeyError: there is none of that name.
            IndexError: there is none of that index.
        """
        return self._store.pose(self._number(recording))

    def __len__(self) -> int:
        """Number of recordings."""
        return len(self._store) if self._indices is None else len(self._indices)

    @overload
    def __getitem__(self, index: int | str) -> Recording: ...

    @overload
    def __getitem__(self, index: slice) -> Recordings: ...

    def __getitem__(self, index: int | str | slice) -> Recording | Recordings:
        """A recording by index or name, or some of them by a slice."""
        if isinstance(index, slice):
            return self._part(self._chosen[index])
        number = self._number(index)
        label = int(self._store.labels[number])
        return Recording(
            name=self._store.names[number],
            pose=self._store.pose(number),
            label=None if label < 0 else label,
            metadata=self._store.metadata(number),
        )

    def __iter__(self) -> Iterator[Recording]:
        """One after the other; raises ClosedTestSplitError at the first of a closed test split."""
        return (self[i] for i in range(len(self)))

    def __contains__(self, name: object) -> bool:
        """Whether there is a recording of this name."""
        return name in self.names

    def __repr__(self) -> str:
        """``<Recordings of embedded: 1440, 12 classes, kinect-v2>``."""
        protocol = "" if self._source is None else f", {self._source.protocol}"
        return f"<Recordings of {self.dataset}: {len(self)}, {len(self.class_names)} classes, {self.layout}{protocol}>"

    @property
    def _chosen(self) -> npt.NDArray[np.int64]:
        import numpy as np

        return np.arange(len(self._store)) if self._indices is None else self._indices

    def _part(self, indices: npt.NDArray[np.int64]) -> Recordings:
        return Recordings(self._store, location=self.location, indices=indices)

    def _number(self, recording: int | str) -> int:
        if isinstance(recording, str):
            try:
                recording = self.names.index(recording)
            except ValueError:
                raise KeyError(recording) from None
        return int(self._chosen[recording])

    def _with_protocol(self) -> Dataset:
        if self._source is None:
            raise UsageError(
                Problem(
                    field="protocol",
                    rule="a protocol, which chooses train and test",
                    remedy='give one: load_dataset(..., protocol="xsub"); a part has no parts of its own',
                )
            )
        return self._source

    def _split(self) -> Split:
        return self._with_protocol().open()[1]


DataLike = PathLike | Recordings
"""A prepared folder, its address, or what :func:`hico_platform.load_dataset` gave."""


def load_dataset(
    source: PathLike,
    *,
    protocol: str | None = None,
    home: PathLike | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Recordings:
    """A prepared dataset: a folder that ``data prepare`` wrote, its address, or ``embedded`` or ``transfer``.

    Args:
        source: the folder; ``file://``, ``s3://`` or ``gs://``; or the name of a generated dataset, which is made in
            the home on first use.
        protocol: chooses train, validation and test, as ``xsub``, and closes the test split; without one there are no
            parts, and everything can be read.
        home: where generated datasets and copies of remote ones are (default: ``$HICO_HOME``, else ``~/.hico``).
        progress: is called while a dataset is generated, with its name, how many sequences are done, and of how many.

    Raises:
        DataError: there is no prepared dataset, it is damaged, or the protocol does not fit it.

    Examples:
        >>> recordings = hico.load_dataset(data, protocol="odd-subjects")
        >>> len(recordings), recordings.train[0].pose.shape[2:]
        (72, (25, 3))
        >>> bool(recordings.val.labels.min() >= 0)
        True
        >>> len(recordings.open_test())
        36
    """
    from hico_platform.data.remote import open_store
    from hico_platform.worker.datasets import Dataset

    folder = folder_of(home)
    text = os.fspath(source)
    generates = text in GENERATED and not Path(text).exists()
    with session(folder if generates else None):
        place = place_of(source, home=folder, progress=progress)
    if place is None:
        raise UsageError(Problem(field="source", rule="a prepared folder or a name", remedy='give one, as "embedded"'))
    if protocol is None:
        return Recordings(open_store(place, cache=folder / "cache"), location=place)
    dataset = Dataset(location=place, protocol=protocol, cache=folder / "cache")
    store, _ = dataset.open()
    return Recordings(store, location=place, source=dataset)


def prepare_dataset(
    raw: PathLike,
    out: PathLike,
    *,
    format: str = "auto",
    layout: str | None = None,
    unit: str | None = None,
    coordinates: int | None = None,
    table_map: str | None = None,
    window: int | None = None,
    stride: int | None = None,
    missing: PathLike | None = None,
    bodies: str = "followed",
    class_names: PathLike | None = None,
    normalisation: str | None = None,
    workers: int = 1,
    strict: bool = False,
    accept_implausible: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Recordings:
    """Turns raw skeleton files into a prepared dataset; what ``hico-platform data prepare`` does (docs/data.md).

    What is skipped, and what is unusual about the bodies, is warned of.

    Args:
        raw: the folder or file.
        out: the new folder.
        format: ``auto``, or a format such as ``ntu60``, ``manifest``, ``table`` or ``bvh``.
        layout: a layout's name or YAML file (default: the format's, or the one that the bones fit).
        unit: of the coordinates: ``m``, ``mm``, ``cm`` or ``in``.
        coordinates: 3, or 2 of poses in an image.
        table_map: how columns or keys become joints: a name or YAML file.
        window: frames of the windows into which recordings are cut; ``stride`` from one to the next.
        missing: a file of names to leave out.
        bodies: of NTU: ``followed`` by their identity, or as the released reader orders them.
        class_names: a file with a name a line, for labels that are numbers.
        normalisation: how poses are centred and turned (default: as is usual for the format).
        workers: processes.
        strict: raise at the first bad input.
        accept_implausible: import bodies that cannot be people in this layout and unit.
        progress: is called with how many files are done, and of how many.

    Raises:
        DataError: nothing can be read, or with ``strict`` something cannot.
        UsageError: an option does not go with the format.
    """
    from hico_platform.commands.data import AUTO, prepare_dataset, recognised_format

    source, target = Path(os.fspath(raw)), Path(os.fspath(out))
    named = recognised_format(source, table_map=table_map)[0] if format == AUTO else format
    with session(None):
        report = prepare_dataset(
            format_name=named,
            raw=source,
            out=target,
            layout=layout,
            unit=unit,
            coordinates=coordinates,
            table_map=table_map,
            window=window,
            stride=stride,
            missing=None if missing is None else Path(os.fspath(missing)),
            bodies=bodies,
            class_names=None if class_names is None else Path(os.fspath(class_names)),
            normalisation=normalisation,
            workers=workers,
            strict=strict,
            accept_implausible=accept_implausible,
            progress=progress,
        )
    for reason, count in report.reasons().items():
        warn(f"{count} of {report.read} recordings were skipped: {reason}")
    for warning in report.warnings:
        warn(warning)
    return load_dataset(target)


def write_dataset(
    recordings: Iterable[Recording],
    out: PathLike,
    *,
    name: str,
    layout: str,
    unit: str = "m",
    coordinates: int | None = None,
    normalisation: str | None = None,
    strict: bool = True,
    accept_implausible: bool = False,
) -> Recordings:
    """Arrays in memory as a prepared dataset, checked and normalised as files are.

    Args:
        recordings: poses (T, J, C) or (T, M, J, C) with NaN where a joint is missing; labels are names of classes or
            their numbers; metadata (``subject``, ``camera``, ``split``, ...) is what protocols choose by.
        out: the new folder.
        name: the dataset's name.
        layout: a layout's name or YAML file (``hico-platform data layouts``).
        unit: of the coordinates.
        coordinates: 3, or 2 of poses in an image.
        normalisation: how poses are centred and turned (default: as is usual for such poses).
        strict: raise at the first bad recording; else skip and warn of it.
        accept_implausible: take bodies that cannot be people in this layout and unit.

    Raises:
        DataError: a recording breaks a rule, there is none, or the folder exists.

    Examples:
        >>> waving = hico.Recording(name="waving-1", pose=pose, label="wave", metadata={"subject": 1})
        >>> mine = hico.write_dataset([waving], folder / "mine", name="mine", layout="kinect-v2")
        >>> mine.class_names, mine[0].metadata
        (('wave',), {'subject': 1})
    """
    import csv

    import numpy as np

    from hico_platform.data.store_writer import refuse_existing

    target = Path(os.fspath(out))
    refuse_existing(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-arrays-") as scratch:
        folder = Path(scratch) / (name if Path(name).name == name and name not in ("", ".", "..") else "arrays")
        folder.mkdir()
        rows: list[dict[str, Any]] = []
        for number, one in enumerate(recordings):
            file = folder / f"{number:07d}.npy"
            np.save(file, np.asarray(one.pose), allow_pickle=False)
            label = "" if one.label is None else one.label
            rows.append({**one.metadata, "path": file.name, "name": one.name, "label": label})
        if not rows:
            raise DataError(Problem(field="recordings", rule="at least one recording", value=0, remedy="give some"))
        with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
            columns = list(dict.fromkeys(column for row in rows for column in row))
            writer = csv.DictWriter(stream, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        prepare_dataset(
            folder,
            Path(scratch) / "store",
            format="manifest",
            layout=layout,
            unit=unit,
            coordinates=coordinates,
            normalisation=normalisation,
            strict=strict,
            accept_implausible=accept_implausible,
        )
        refuse_existing(target)
        (Path(scratch) / "store").rename(target)
    return load_dataset(target)


def place_of(
    data: DataLike | None, *, home: Path, progress: Callable[[str, int, int], None] | None = None
) -> str | None:
    """The location of a dataset, generated where it is named; None is the caller's usual one."""
    if isinstance(data, Recordings):
        return data.location
    location = location_of(data)
    if location in GENERATED and not Path(location).exists():
        from hico_platform.worker.datasets import generated

        return str(generated(location, home=home, progress=progress))
    return location


def source_of(data: DataLike | None, *, protocol: str, home: Path) -> Dataset:
    """A dataset under a protocol, the embedded one where none is given."""
    from hico_platform.worker.datasets import dataset

    return dataset(place_of(data, home=home), protocol=protocol, home=home)
