"""Persons: whose sequences are resampled together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hico_platform.data.kept_together import clusters_of, persons
from hico_platform.enums import Clusters


@dataclass
class Table:
    """Metadata columns of sequences."""

    values: dict[str, np.ndarray]
    count: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"s{i}" for i in range(self.count))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.values)

    @property
    def labelled(self) -> np.ndarray:
        return np.ones(self.count, bool)

    def column(self, name: str) -> np.ndarray | None:
        return self.values.get(name)


def groups(table: Table) -> set[frozenset[int]]:
    """The sequences of each person."""
    numbers = persons(table)
    return {frozenset(np.flatnonzero(numbers == number).tolist()) for number in numbers}


def test_a_person_is_a_subject_else_a_video_else_one_sequence() -> None:
    subject = np.array([1.0, 1.0, np.nan, np.nan, np.nan, 2.0])
    video = np.array(["a", "b", "a", "a", None, "c"], object)
    table = Table({"subject": subject, "video": video}, 6)
    assert groups(table) == {frozenset({0, 1}), frozenset({2, 3}), frozenset({4}), frozenset({5})}


def test_subject_1_of_two_datasets_is_two_persons() -> None:
    table = Table({"subject": np.array([1, 1, 1]), "dataset": np.array(["a", "b", "a"], object)}, 3)
    assert groups(table) == {frozenset({0, 2}), frozenset({1})}


def test_without_metadata_each_sequence_is_its_own() -> None:
    assert len(groups(Table({}, 4))) == 4


def test_what_is_numbered_is_persons_where_one_is_known_else_videos_else_sequences() -> None:
    subject, video = np.array([1.0, np.nan, np.nan, np.nan]), np.array(["a", "b", "b", None], object)
    table = Table({"subject": subject, "video": video}, 4)
    assert clusters_of(table, np.array([0, 1])) is Clusters.PERSONS
    assert clusters_of(table, np.array([1, 2, 3])) is Clusters.VIDEOS
    assert clusters_of(table, np.array([3])) is Clusters.SEQUENCES
    assert clusters_of(Table({}, 4), np.arange(4)) is Clusters.SEQUENCES
