"""Statistics of a store: counts by class and metadata, lengths, missing joints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hico_platform.data.kept_together import Mask, known
from hico_platform.data.normalise import Pose
from hico_platform.data.normalise.turn import is_tilted
from hico_platform.data.plausibility import BodyCheck, measure
from hico_platform.data.sequence import Unit
from hico_platform.data.split import protocol_fits
from hico_platform.data.store import Store

_MOST_VALUES = 200
_MOST_MEASURED = 2000


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Numbers of frames in a sequence."""

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
    unlabelled: int
    """Sequences without a label, which only pretraining uses."""
    layout: str
    normalisation: str | None
    """How the poses were normalised; None if they are as recorded."""
    tilted: int | None
    """Sequences whose first body's mean line from hips to neck is over 45 degrees off z; None for poses as recorded."""
    digest: str
    protocols: dict[str, dict[str, int]]
    """Protocols that fit this store, with the sequences of each part and of each kind of unlabelled ones."""
    unfit_protocols: dict[str, str]
    """Protocols that do not fit this store, and why."""
    classes: dict[str, int]
    columns: dict[str, dict[str, int]]
    """For each metadata column, the number of sequences by value; for one with very many values only their number."""
    bodies: dict[str, int]
    frames: Lengths
    missing_joints: dict[str, float]
    """For each joint, the share of the non-empty body-frames in which it is missing.

    Normalisation moves the centre joint of the first body to zero, which also marks a missing joint, so that joint does
    not count as missing.
    """
    empty_frames: float
    """Share of body-frames in which every joint is missing."""
    body: dict[str, Any]
    """Medians over at most 2,000 sequences, spread over all: ``height_m``, with the lowest and highest ``heights_m``,
    ``variation``, ``asymmetry`` and ``misfit`` as in ``hico_platform.data.body``. Empty if no bone is seen, and of 2D
    poses."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def describe(store: Store) -> Description:
    """Counts over all sequences of ``store``; reads all poses once."""
    missing = np.zeros(len(store.layout.joints), np.int64)
    check = BodyCheck(store.layout, Unit.M)
    measured = set(np.linspace(0, len(store) - 1, min(len(store), _MOST_MEASURED)).astype(int).tolist())
    non_empty = body_frames = tilted = 0
    for i in range(len(store)):
        visible: Mask = np.any(store.pose(i), axis=-1)  # (T, M, J)
        present: Mask = np.any(visible, axis=-1)  # (T, M)
        if store.normalisation is not None and store.layout.centre_joint is not None:
            visible[:, 0, store.layout.centre_joint] = True
        if i in measured and store.coordinates == 3:  # in an image bones have no constant length
            check.add(measure(np.where(visible[..., None], store.pose(i), np.float32(np.nan)), store.layout, only=True))
        missing += (~visible[present]).sum(axis=0)
        non_empty += int(present.sum())
        body_frames += present.size
        tilted += store.normalisation is not None and is_tilted(_first_body(store.pose(i), visible), store.layout)
    fits = protocol_fits(store)
    labels = np.bincount(store.labels[store.labelled], minlength=len(store.class_names))
    frames = store.num_frames if len(store) else np.zeros(1, np.int64)
    return Description(
        dataset=store.dataset,
        sequences=len(store),
        unlabelled=int((~store.labelled).sum()),
        layout=store.layout.name,
        normalisation=store.normalisation,
        tilted=tilted if store.normalisation is not None else None,
        digest=store.digest,
        protocols={name: fit.counts for name, fit in fits.items() if fit.counts is not None},
        unfit_protocols={name: fit.reason for name, fit in fits.items() if fit.counts is None},
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
            joint: float(count / max(non_empty, 1)) for joint, count in zip(store.layout.joints, missing, strict=True)
        },
        body=check.as_dict(),
        empty_frames=1 - non_empty / max(body_frames, 1),
    )


def _first_body(pose: Pose, visible: Mask) -> Pose:
    """The first body of (T, M, J, C) with NaN where it is not visible, (T, J, C)."""
    return np.where(visible[:, 0, :, None], pose[:, 0], np.float32(np.nan))


def _counts(store: Store, name: str) -> dict[str, int]:
    values = store.column(name)
    if values is None:
        return {}
    present = known(values)
    observed = values[present]
    if observed.dtype == np.float64 and np.equal(np.mod(observed, 1), 0).all():
        observed = observed.astype(np.int64)
    distinct, counts = np.unique(observed, return_counts=True)
    if len(distinct) > _MOST_VALUES:
        return {f"({len(distinct)} values)": int(present.sum())}
    by_value = {str(value): int(count) for value, count in zip(distinct.tolist(), counts, strict=True)}
    absent = int((~present).sum())
    return by_value | ({"(none)": absent} if absent else {})
