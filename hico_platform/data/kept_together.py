"""What is not torn apart between the parts of a split: all sequences of a subject, or else of a video."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hico_platform.enums import Clusters
from hico_platform.errors import DataError, Problem

Mask = npt.NDArray[np.bool_]

DATASET = "dataset"
"""Metadata column of a merged store: where a sequence comes from."""
_KEPT_TOGETHER = ("subject", "video")


class Columns(Protocol):
    """Names, metadata columns and labels of sequences; ``Store`` has them."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each sequence."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the metadata columns."""

    @property
    def labelled(self) -> Mask:
        """Mask of the sequences that have a label, bool (N,)."""

    def column(self, name: str) -> npt.NDArray[Any] | None:
        """A metadata column (N,)."""


def known(values: npt.NDArray[Any]) -> Mask:
    """Mask of the sequences for which a metadata column has a value, bool (N,)."""
    if values.dtype == object:
        return np.array([value is not None for value in values], bool)
    present: Mask = ~np.isnan(values)
    return present


def of_subjects_in(store: Columns, part: Mask, *, and_not_in: Mask) -> Mask:
    """Mask of all sequences whose subject has a sequence in ``part`` and none in ``and_not_in``.

    Where a subject is not known, its video counts.

    Two datasets of a merged store have no subject in common.
    """
    of_them, told = np.zeros_like(part), np.zeros_like(part)
    for by in _KEPT_TOGETHER:
        keys = store.column(by)
        if keys is None or not part.any():
            continue
        there, text = known(keys), _with_origin(store, keys)
        found = there & np.isin(text, text[there & part]) & ~np.isin(text, text[there & and_not_in])
        of_them |= found & ~told
        told |= there
    return of_them


def persons(store: Columns) -> npt.NDArray[np.int64]:
    """A number for the person of each sequence, int64 (N,); where it is not known, for its video, else for it alone."""
    names = np.array([f"sequence {i}" for i in range(len(store.labelled))], object)
    for by in reversed(_KEPT_TOGETHER):
        keys = store.column(by)
        if keys is not None:
            there = known(keys)
            names[there] = [f"{by} {key}" for key in _with_origin(store, keys)[there]]
    numbers: npt.NDArray[np.int64] = np.unique(names.astype(str), return_inverse=True)[1].astype(np.int64)
    return numbers


def clusters_of(store: Columns, sequences: npt.NDArray[np.int64]) -> Clusters:
    """What :func:`persons` numbers among ``sequences``: persons if any is known, else videos, else each by itself."""
    for by, kind in zip(_KEPT_TOGETHER, (Clusters.PERSONS, Clusters.VIDEOS), strict=True):
        keys = store.column(by)
        if keys is not None and known(keys)[sequences].any():
            return kind
    return Clusters.SEQUENCES


def _with_origin(store: Columns, keys: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values of a column with the dataset that each comes from: two datasets have no person in common."""
    datasets = store.column(DATASET)
    origins = np.full(len(keys), None) if datasets is None else datasets
    return np.array([f"{origin} {_plain(key)}" for origin, key in zip(origins, keys, strict=True)])


def choose_validation(store: Columns, train: Mask, members: Mask, share: float) -> tuple[Mask, str]:
    """Mask of the sequences among ``members`` of some units of the training part, and what these units are."""
    labelled = store.labelled
    columns = {name: store.column(name) for name in _KEPT_TOGETHER}
    by = next(
        (name for name, values in columns.items() if values is not None and known(values)[train].any()), "sequence"
    )
    column = columns.get(by)
    keys = np.array(store.names, object) if column is None else column
    candidates = sorted({str(_plain(key)) for key in keys[train & labelled & known(keys)]})
    if len(candidates) < 2:
        which = "" if labelled.all() else " with labelled sequences"
        raise DataError(
            Problem(field=f"{by}s", rule=f"at least 2 {by}s{which} in the training part, for validation",
                    value=len(candidates), remedy="choose a protocol that trains on more, or prepare more data")
        )  # fmt: skip
    count = min(max(1, round(share * len(candidates))), len(candidates) - 1)
    chosen = sorted(candidates, key=_stable_hash)[:count]
    return np.isin([str(_plain(key)) for key in keys], chosen) & known(keys) & members, by


def _plain(key: Any) -> object:
    return int(key) if isinstance(key, np.integer | np.floating) and not np.isnan(key) else key


def _stable_hash(key: str) -> str:
    return hashlib.sha256(f"validation {key}".encode()).hexdigest()
