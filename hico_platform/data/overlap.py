"""Finds recordings that are pretrained on and also scored: test sequences that leak into training.

NTU RGB+D 60 lies inside NTU RGB+D 120, and copies of a recording occur under several names. Two sequences are taken for
the same recording if their stored poses are equal bit by bit, or if they have the same name in a published dataset,
whole or cut into windows. So are rows of a manifest that are cut from one recording and share frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hico_platform.data.kept_together import known
from hico_platform.data.readers.windows import RECORDING, WINDOW_SUFFIX
from hico_platform.data.skeleton_file import SkeletonName
from hico_platform.data.split import Indices
from hico_platform.data.store import Store

_MOST_NAMED = 5
PUBLISHED_AS = "published_as"
"""Metadata column of a merged store: the published recording that a sequence is, or is cut from."""


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


_ARCHIVES = ("hico", "stgcn", "pyskl")
"""Formats of archives that are named after their folder; recordings named like NTU RGB+D's are its own."""


def published_names(store: Store) -> list[str | None]:
    """What each sequence is called where its recording is published; None for other data, whose names mean nothing."""
    provenance = store.provenance
    while "mapped" in provenance:  # to another layout; the names stay
        provenance = provenance["mapped"]["provenance"]
    merged = store.column(PUBLISHED_AS) if "merged" in provenance else None
    if merged is not None:
        return [name if isinstance(name, str) else None for name in merged.tolist()]
    if store.dataset in _FAMILIES:
        return [f"{family(store.dataset)}/{name}" for name in store.names]
    if provenance.get("format") in _ARCHIVES:
        return [f"ntu/{name}" if SkeletonName.parse(recording(name)) else None for name in store.names]
    return [None] * len(store)


def recording(name: str) -> str:
    """The name of the recording that a window was cut from; that of a whole recording as it is."""
    return WINDOW_SUFFIX.sub("", name)


def recordings(store: Store) -> list[str | None]:
    """The published recording that each sequence is or is cut from, None where it is not known."""
    return [None if name is None else recording(name) for name in published_names(store)]


def overlapping(pretrained: Chosen, scored: Chosen) -> list[str]:
    """Names, as in ``scored``, of the scored sequences that are also pretrained on; in order."""
    trained_names, scored_names = recordings(pretrained.store), recordings(scored.store)
    names = {trained_names[i] for i in pretrained.indices.tolist()} - {None}
    copies = {pretrained.store.contents[i] for i in pretrained.indices.tolist()}
    shared = _sharing_frames(pretrained, scored)
    return [
        scored.store.names[i]
        for i in scored.indices.tolist()
        if scored_names[i] in names or scored.store.contents[i] in copies or i in shared
    ]


def _sharing_frames(pretrained: Chosen, scored: Chosen) -> set[int]:
    """Indices of the scored sequences that share frames of a recording with others of the same store."""
    store = pretrained.store
    start, end, video = (store.column(name) for name in ("start", "end", "video"))
    if store.digest != scored.store.digest or start is None or end is None or video is None:
        return set()
    if object in (start.dtype, end.dtype):  # the user's own columns, of text
        return set()
    named = store.column(RECORDING)
    of = video if named is None else np.where(known(named), named, video)
    first, last = np.nan_to_num(start), np.where(np.isnan(end), np.inf, end)
    trained: dict[object, list[int]] = {}
    for i in pretrained.indices.tolist():
        trained.setdefault(of[i], []).append(i)
    return {
        i
        for i in scored.indices.tolist()
        if any(i != j and first[j] < last[i] and first[i] < last[j] for j in trained.get(of[i], ()))
    }


def shown(names: list[str]) -> str:
    """Their number, and the first few of them."""
    more = len(names) - _MOST_NAMED
    return f"{len(names)} ({', '.join(names[:_MOST_NAMED])}" + (f" and {more} more)" if more > 0 else ")")
