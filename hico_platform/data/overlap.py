"""Finds recordings that are pretrained on and also scored: test sequences that leak into training.

NTU RGB+D 60 lies inside NTU RGB+D 120, and copies of a recording occur under several names. Two sequences are taken for
the same recording if their stored poses are equal bit by bit, or if they have the same name in a published dataset.
"""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.data.split import Indices
from hico_platform.data.store import Store

_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Some sequences of a store, ``indices`` int64 (n,)."""

    store: Store
    indices: Indices


_FAMILIES = {"ntu60": "ntu", "ntu120": "ntu", "pku-mmd-1": "pku-mmd-1", "pku-mmd-2": "pku-mmd-2"}
"""Published datasets, in which a name means one recording; NTU RGB+D 120 holds the recordings of NTU RGB+D 60."""


def family(dataset: str) -> str:
    """The dataset, or the one that it lies inside."""
    return _FAMILIES.get(dataset, dataset)


def recording(store: Store, i: int) -> str | None:
    """What sequence i is called wherever its recording is published; None for other data, whose names mean nothing."""
    return f"{family(store.dataset)}/{store.names[i]}" if store.dataset in _FAMILIES else None


def overlapping(pretrained: Chosen, scored: Chosen) -> list[str]:
    """Names, as in ``scored``, of the scored sequences that are also pretrained on; in order."""
    names = {recording(pretrained.store, i) for i in pretrained.indices.tolist()} - {None}
    contents = pretrained.store.contents
    copies = set() if contents is None else {contents[i] for i in pretrained.indices.tolist()}
    scored_contents = scored.store.contents
    return [
        scored.store.names[i]
        for i in scored.indices.tolist()
        if recording(scored.store, i) in names or (scored_contents is not None and scored_contents[i] in copies)
    ]


def shown(names: list[str]) -> str:
    """Their number, and the first few of them."""
    more = len(names) - _MOST_NAMED
    return f"{len(names)} ({', '.join(names[:_MOST_NAMED])}" + (f" and {more} more)" if more > 0 else ")")
