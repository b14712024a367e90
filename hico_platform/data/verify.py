"""Checks a whole store: its digest, and the invariants that its users rely on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hico_platform.data.sequence import Sequence
from hico_platform.data.store import HEADER_FILE, POSE_FILE, Store
from hico_platform.data.store_index import content_of, pose_offsets
from hico_platform.data.store_writer import check_sequence, content_digest
from hico_platform.errors import DataError, Problem

_MOST_PROBLEMS = 100

Progress = Callable[[int, int], None]


def verify(store: Store, *, progress: Progress | None = None) -> list[Problem]:
    """The problems of a store, at most a hundred; empty for a valid store.

    Every sequence is read and checked: its offset, shape, values, label and name, and the digest of the whole store.
    """
    problems = _check_offsets(store)
    if problems:
        return problems
    if len(set(store.names)) < len(store):
        problems.append(
            Problem(file=store.directory, field="name", rule="a name that no other sequence has",
                    remedy="prepare the dataset again")
        )  # fmt: skip
    labels = store.index.column("label").to_pylist()  # a stored -1 is a wrong label, not a missing one
    for i, (name, label) in enumerate(zip(store.names, labels, strict=True)):
        sequence = Sequence(name=name, label=label, pose=store.pose(i))
        try:
            check_sequence(
                sequence,
                num_joints=len(store.layout.joints),
                coordinates=store.coordinates,
                num_classes=len(store.class_names),
            )
        except DataError as error:
            problems.extend(error.problems)
        if store.schema_version > 1 and store.contents[i] != content_of(sequence.pose):
            problems.append(
                Problem(file=store.directory, field=f"{name}: content", rule="the digest of this sequence's pose",
                        value=store.contents[i], remedy="prepare or copy the dataset again: its files were altered")
            )  # fmt: skip
        if progress is not None:
            progress(i + 1, len(store))
        if len(problems) >= _MOST_PROBLEMS:
            return problems
    measured = measured_digest(store)
    if measured != store.digest:
        problems.append(
            Problem(file=store.directory, field="digest", rule=f"the digest of the content, {measured}",
                    value=store.digest, remedy="prepare or copy the dataset again: its files were altered")
        )  # fmt: skip
    return problems


def measured_digest(store: Store) -> str:
    """The digest of the files' present content, in one pass over them."""
    pose = hashlib.sha256()
    for i in range(len(store)):
        pose.update(store.pose(i).data)
    header = json.loads((store.directory / HEADER_FILE).read_text(encoding="utf-8"))
    return content_digest(header, store.index, pose.digest())


def _check_offsets(store: Store) -> list[Problem]:
    """Checks that every sequence of the index has the size of the one at its offset in the pose file."""
    path: Path = store.directory / POSE_FILE
    try:
        starts = pose_offsets(path)
    except (OSError, ValueError) as error:
        return [Problem(file=path, rule="an Arrow file of poses", value=str(error), remedy="prepare the dataset again")]
    sizes = store.num_frames * store.num_bodies * len(store.layout.joints) * store.coordinates
    stated = store.offsets.numpy()
    sound = len(starts) == len(stated) and bool((starts == stated).all()) and bool((sizes > 0).all())
    if sound and len(stated) and bool((np.diff(stated) >= sizes[:-1]).all()):
        sound = int(stated[-1] + sizes[-1]) * 4 <= path.stat().st_size
    elif len(stated) > 1:
        sound = False
    if sound:
        return []
    return [Problem(file=path, rule="every sequence where the index says", remedy="prepare the dataset again")]
