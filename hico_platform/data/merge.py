"""Merges stores into one, to pretrain on several datasets at once; copies of a recording are kept once.

The merged store has the protocols of each dataset, as ``DATASET-PROTOCOL``: that dataset's training, validation and
test sequences are scored as in its own store, and the sequences of the other datasets join pretraining alone. A copy of
a validation or test sequence is not among them, under whatever name it lies in another dataset, nor is anything that is
cut from the same published recording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hico_platform.data.kept_together import DATASET
from hico_platform.data.overlap import PUBLISHED_AS, family, published_names, recordings
from hico_platform.data.phases import DataPhase, OnPhase, nobody_waits
from hico_platform.data.sequence import UNLABELLED
from hico_platform.data.sequence import Sequence as Recorded
from hico_platform.data.split import fitting_protocols, split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import COORDINATES, Store
from hico_platform.data.store_writer import StoreWriter, refuse_existing
from hico_platform.enums import Part
from hico_platform.errors import DataError, Problem, UsageError

_ONLY_PRETRAINED = "pretrain"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A sequence that was left out, and the one that it is a copy of."""

    dataset: str
    name: str
    kept_dataset: str
    kept_name: str
    same_pose: bool
    """Whether the poses are equal bit by bit; else it is the same recording, prepared in another way."""

    def __str__(self) -> str:
        """In words."""
        how = "the same pose as" if self.same_pose else "the same recording as"
        return f"{self.name} of {self.dataset}: {how} {self.kept_name} of {self.kept_dataset}"


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge did: sequences kept by dataset, the copies that were left out, and the protocols to choose from."""

    kept: Mapping[str, int]
    copies: tuple[Copy, ...]
    protocols: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def merge(
    stores: Sequence[Store],
    directory: Path,
    *,
    progress: Progress | None = None,
    on_phase: OnPhase = nobody_waits,
) -> Merged:
    """Writes the sequences of ``stores`` into a new store; ``progress(done, total)`` counts sequences.

    ``on_phase`` is told what goes on before and after.

    A class is named ``DATASET/CLASS``, but those of NTU RGB+D 60 and 120 are the same classes and keep their names.
    Names of sequences are ``DATASET/NAME`` where they would collide.

    Raises UsageError for fewer than two stores, DataError if they differ in layout, coordinates or normalisation, if
    two are of one dataset, or if ``directory`` exists.
    """
    _check_alike(stores)
    refuse_existing(directory)
    _check_names(stores)
    on_phase(DataPhase.COPIES)
    classes = _Classes(stores)
    published = [published_names(store) for store in stores]
    contents = [store.contents for store in stores]
    origins, copies = _find_copies(stores, published, contents, classes)
    labels = _labels(stores, classes, origins)
    kept = [(s, i) for (s, i), origin in origins.items() if origin == (s, i)]
    parts, protocols = _protocols(stores, origins, contents)
    taken: set[str] = set()
    counts: dict[str, int] = {}
    with StoreWriter(
        directory,
        dataset="+".join(store.dataset for store in stores),
        layout=stores[0].layout,
        class_names=classes.names,
        provenance={
            "merged": [{"dataset": store.dataset, "digest": store.digest, "sequences": len(store)} for store in stores],
            "copies_left_out": len(copies),
        },
        normalisation=stores[0].normalisation,
        missing_joint=stores[0].missing_joint,
        coordinates=stores[0].coordinates,
        protocols=protocols,
    ) as writer:
        for done, (s, i) in enumerate(kept, start=1):
            store = stores[s]
            name = _free_name(store.names[i], store.dataset, taken)
            taken.add(name)
            metadata = store.metadata(i) | parts[s, i] | {DATASET: store.dataset, PUBLISHED_AS: published[s][i]}
            writer.add(Recorded(name=name, label=labels[s, i], pose=store.pose(i), metadata=metadata))
            counts[store.dataset] = counts.get(store.dataset, 0) + 1
            if progress is not None:
                progress(done, len(kept))
        on_phase(DataPhase.COMPLETING)
    return Merged(kept=counts, copies=tuple(copies), protocols=tuple(protocols))


_Place = tuple[int, int]
"""The number of a store, and of a sequence in it."""


def _check_alike(stores: Sequence[Store]) -> None:
    if len(stores) < 2:
        raise UsageError(
            Problem(field="DIR", rule="at least 2 stores to merge", value=len(stores), remedy="name all of them")
        )
    first = stores[0]
    for store in stores[1:]:
        for field, ours, theirs in (
            ("coordinates", first.coordinates, store.coordinates),
            ("layout", first.layout, store.layout),
            ("normalisation", first.normalisation, store.normalisation),
        ):
            if ours != theirs:
                said = [str(getattr(value, "name", value)) if field == "layout" else str(value)
                        for value in (ours, theirs)]  # fmt: skip
                remedy = "prepare both with the same --normalisation"
                if field == "coordinates":
                    remedy = "prepare both with the same coordinates: poses in an image merge with such alone"
                elif field == "layout":
                    remedy = "prepare both in one layout"
                    if store.coordinates == COORDINATES:
                        remedy = "bring both to one layout, such as common-15, by hico-platform data map"
                raise DataError(
                    Problem(file=store.directory, field=field, rule=f"the same as in {first.directory}, {said[0]}",
                            value=said[1], remedy=remedy)
                )  # fmt: skip


def _check_names(stores: Sequence[Store]) -> None:
    """Raises DataError if two datasets have one name.

    Their classes and people would be taken for the same, and a protocol of one would pretrain on test people of the
    other.
    """
    seen: dict[str, Store] = {}
    for store in stores:
        if store.dataset in seen:
            raise DataError(
                Problem(file=store.directory, field="dataset", value=store.dataset,
                        rule=f"another name than that of {seen[store.dataset].directory}",
                        remedy="prepare parts of one dataset from one folder, another dataset from one of another name")
            )  # fmt: skip
        seen[store.dataset] = store


def _free_name(name: str, dataset: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{dataset}/{name}"
    return name


class _Classes:
    """The classes of all stores together."""

    def __init__(self, stores: Sequence[Store]) -> None:
        families = {family(store.dataset) for store in stores}
        self._prefixed = len(families) > 1
        self.names = list(dict.fromkeys(self._name(store, name) for store in stores for name in store.class_names))
        self._index = {name: label for label, name in enumerate(self.names)}

    def _name(self, store: Store, name: str) -> str:
        return f"{family(store.dataset)}/{name}" if self._prefixed else name

    def label(self, store: Store, i: int) -> int | None:
        if store.labels[i] == UNLABELLED:
            return None
        return self._index[self._name(store, store.class_names[store.labels[i]])]


def _find_copies(
    stores: Sequence[Store],
    published: Sequence[Sequence[str | None]],
    contents: Sequence[Sequence[str]],
    classes: _Classes,
) -> tuple[dict[_Place, _Place], list[Copy]]:
    """For each sequence the first one of its recording (often itself), and the copies that are not the first.

    Where two datasets name its class differently both are kept, since each dataset is scored with its own classes.
    """
    by_name: dict[str, _Place] = {}
    by_content: dict[str, _Place] = {}
    origins: dict[_Place, _Place] = {}
    copies: list[Copy] = []
    for s, store in enumerate(stores):
        for i in range(len(store)):
            name, content = published[s][i], contents[s][i]
            origin = by_content.get(content) or (by_name.get(name) if name is not None else None) or (s, i)
            if len({classes.label(store, i), classes.label(stores[origin[0]], origin[1]), None}) > 2:
                origin = (s, i)
            origins[s, i] = origin
            by_content.setdefault(content, origin)  # a copy by name may itself have copies by pose
            if name is not None:
                by_name.setdefault(name, origin)
            if origin == (s, i):
                continue
            first, j = stores[origin[0]], origin[1]
            copies.append(
                Copy(dataset=store.dataset, name=store.names[i], kept_dataset=first.dataset,
                     kept_name=first.names[j], same_pose=contents[origin[0]][j] == content)
            )  # fmt: skip
    return origins, copies


def _labels(stores: Sequence[Store], classes: _Classes, origins: Mapping[_Place, _Place]) -> dict[_Place, int | None]:
    """The class of each kept sequence: its own, or if it has none that of its first labelled copy."""
    labels: dict[_Place, int | None] = {}
    for (s, i), origin in origins.items():
        if labels.get(origin) is None:
            labels[origin] = classes.label(stores[s], i)
    return labels


def _protocols(
    stores: Sequence[Store], origins: Mapping[_Place, _Place], contents: Sequence[Sequence[str]]
) -> tuple[dict[_Place, dict[str, str]], dict[str, Any]]:
    """Each kept sequence's part under each protocol, as metadata, and the protocols over these columns."""
    parts: dict[_Place, dict[str, str]] = {place: {} for place, origin in origins.items() if place == origin}
    cut_from = [recordings(store) for store in stores]
    protocols: dict[str, Any] = {}
    for s, store in enumerate(stores):
        own = {origins[s, i] for i in range(len(store))}
        for protocol in fitting_protocols(store):
            split = split_store(store, protocol)
            if not len(split.train):  # a store without labels has nothing to score
                continue
            name = f"{store.dataset}-{protocol}"
            column = f"split_{name}"
            by_part = split.parts(Purpose.MERGE)
            held = (*split.val.tolist(), *by_part[Part.TEST].tolist())
            scored = ({cut_from[s][i] for i in held} - {None}) | {contents[s][i] for i in held}
            for (other, i), found in parts.items():
                if (other, i) not in own and not {cut_from[other][i], contents[other][i]} & scored:
                    found[column] = _ONLY_PRETRAINED
            for i in split.pretrain_only.tolist():
                parts[origins[s, i]][column] = _ONLY_PRETRAINED
            for i in split.pretrain_only_val.tolist():
                parts[origins[s, i]][column] = Part.VAL.value
            for part in (Part.TRAIN, Part.VAL, Part.TEST):  # of copies within a store the most held back decides
                for i in by_part[part].tolist():
                    parts[origins[s, i]][column] = part.value
            words = {part.value: {column: [part.value]} for part in Part}
            protocols[name] = words | {"pretrain": {column: [_ONLY_PRETRAINED]}}
    return parts, protocols
