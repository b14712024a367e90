"""What is in a store: counts by class and metadata, lengths, missing joints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hico_platform.data.split import Mask, fitting_protocols, known
from hico_platform.data.store import Store

_MOST_VALUES = 200


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Frames a sequence."""

    shortest: int
    median: float
    mean: float
    longest: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Description:
    """Counts over a whole store."""

    dataset: str
    sequences: int
    layout: str
    normalised: bool
    digest: str
    protocols: dict[str, dict[str, int]]
    """Protocols that fit this store, with the sequences of each part."""
    classes: dict[str, int]
    columns: dict[str, dict[str, int]]
    """Sequences by value of each metadata column; a column of very many values has only their number."""
    bodies: dict[str, int]
    frames: Lengths
    missing_joints: dict[str, float]
    """Share of body-frames in which a joint is missing, of those in which the body is there.

    Normalisation puts the centre joint of the first body at zero, where missing looks the same: it is left out.
    """
    empty_frames: float
    """Share of body-frames in which the body is not there at all."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def describe(store: Store) -> Description:
    """Count over all sequences of ``store``; reads the whole of it once."""
    missing = np.zeros(len(store.layout.joints), np.int64)
    there = body_frames = 0
    for i in range(len(store)):
        shown: Mask = np.any(store.pose(i), axis=-1)  # (T, M, J)
        present: Mask = np.any(shown, axis=-1)  # (T, M)
        if store.normalised:
            shown[:, 0, store.layout.centre] = True
        missing += (~shown[present]).sum(axis=0)
        there += int(present.sum())
        body_frames += present.size
    labels = np.bincount(store.labels, minlength=len(store.class_names))
    frames = store.num_frames if len(store) else np.zeros(1, np.int64)
    return Description(
        dataset=store.dataset,
        sequences=len(store),
        layout=store.layout.name,
        normalised=store.normalised,
        digest=store.digest,
        protocols=fitting_protocols(store),
        classes={name: int(count) for name, count in zip(store.class_names, labels, strict=True)},
        columns={name: _counts(store, name) for name in store.columns},
        bodies={str(m): int(n) for m, n in zip(*np.unique(store.num_bodies, return_counts=True), strict=True)},
        frames=Lengths(
            shortest=int(frames.min()),
            median=float(np.median(frames)),
            mean=float(frames.mean()),
            longest=int(frames.max()),
            total=int(frames.sum()),
        ),
        missing_joints={
            joint: float(count / max(there, 1)) for joint, count in zip(store.layout.joints, missing, strict=True)
        },
        empty_frames=1 - there / max(body_frames, 1),
    )


def _counts(store: Store, name: str) -> dict[str, int]:
    values = store.column(name)
    if values is None:
        return {}
    present = known(values)
    given = values[present]
    if given.dtype == np.float64 and np.equal(np.mod(given, 1), 0).all():
        given = given.astype(np.int64)
    distinct, counts = np.unique(given, return_counts=True)
    if len(distinct) > _MOST_VALUES:
        return {f"({len(distinct)} values)": int(present.sum())}
    said = {str(value): int(count) for value, count in zip(distinct.tolist(), counts, strict=True)}
    absent = int((~present).sum())
    return said | ({"(none)": absent} if absent else {})
