"""Each test sequence's part in the scores of one run, kept beside its result: what intervals and paired tests need."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.atomic_io import write_whole
from hico_platform.enums import Clusters

SCORES = "scores.npz"
_PERSONS = "persons"
_CLUSTERS = "clusters"

Parts = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SequenceScores:
    """What each test sequence contributes, in the order of the test split.

    ``parts`` float32 (q,) by metric: 1 or 0 where an answer is right or wrong, or an average precision; their mean is
    the metric. ``persons`` int64 (q,) numbers the person of each sequence, or its ``clusters``; older versions kept no
    word of which. Two runs on the same data have the same sequences in the same order.
    """

    parts: Mapping[str, Parts]
    persons: npt.NDArray[np.int64]
    clusters: Clusters = Clusters.PERSONS


def write_sequence_scores(directory: Path, scores: SequenceScores) -> None:
    """Writes ``scores.npz`` into a run's folder, atomically; it is written before ``result.json``."""
    content = io.BytesIO()
    arrays: dict[str, npt.NDArray[Any]] = {name: values.astype(np.float32) for name, values in scores.parts.items()}
    arrays |= {_PERSONS: scores.persons, _CLUSTERS: np.array(scores.clusters.value)}
    np.savez_compressed(content, allow_pickle=False, **arrays)
    write_whole(directory / SCORES, content.getvalue())


def read_sequence_scores(directory: Path) -> SequenceScores | None:
    """What a run's folder keeps; None where it was scored by an older version, or the file is damaged."""
    try:
        with np.load(directory / SCORES, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        word = arrays.pop(_CLUSTERS, None)
        persons = arrays.pop(_PERSONS, None)
        clusters = _unnamed(persons) if word is None else Clusters(str(word))
    except (FileNotFoundError, EOFError, ValueError, zipfile.BadZipFile):
        return None
    return None if persons is None else SequenceScores(parts=arrays, persons=persons, clusters=clusters)


def _unnamed(persons: npt.NDArray[np.int64] | None) -> Clusters:
    """What an older version numbered: of sequences that are each by themselves, as likely nobody's as anyone's."""
    alone = persons is not None and len(np.unique(persons)) == len(persons)
    return Clusters.SEQUENCES if alone else Clusters.PERSONS
