from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.enums import Clusters
from hico_platform.retrain.sequence_scores import SCORES, SequenceScores, read_sequence_scores, write_sequence_scores

KEPT = SequenceScores(
    parts={"knn_top1": np.array([1, 0, 1], np.float32), "retrieval_map": np.array([0.25, 1 / 3, 1], np.float32)},
    persons=np.array([4, 4, 9]),
    clusters=Clusters.VIDEOS,
)


def test_what_is_kept_is_read_again_and_takes_little_space(tmp_path: Path) -> None:
    write_sequence_scores(tmp_path / "run", KEPT)
    found = read_sequence_scores(tmp_path / "run")
    assert found is not None
    assert {name: values.tolist() for name, values in found.parts.items()} == {
        name: values.tolist() for name, values in KEPT.parts.items()
    }
    assert found.persons.tolist() == [4, 4, 9]
    assert found.clusters is Clusters.VIDEOS
    assert [file.name for file in (tmp_path / "run").iterdir()] == [SCORES]
    many = SequenceScores(parts={"a": np.ones(20_000, np.float32)}, persons=np.arange(20_000) // 500)
    write_sequence_scores(tmp_path / "run", many)
    assert (tmp_path / "run" / SCORES).stat().st_size < 5_000


def test_older_versions_kept_no_word_of_what_is_numbered(tmp_path: Path) -> None:
    np.savez(tmp_path / SCORES, persons=KEPT.persons, **KEPT.parts)
    found = read_sequence_scores(tmp_path)
    assert found is not None
    assert (found.clusters, list(found.parts)) == (Clusters.PERSONS, ["knn_top1", "retrieval_map"])


def test_an_older_version_s_sequences_that_are_each_alone_are_nobodys(tmp_path: Path) -> None:
    np.savez(tmp_path / SCORES, persons=np.arange(3), **KEPT.parts)
    found = read_sequence_scores(tmp_path)
    assert found is not None
    assert found.clusters is Clusters.SEQUENCES


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_a_run_of_an_older_version_or_a_damaged_file_has_none(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / SCORES).write_bytes(content)
    assert read_sequence_scores(tmp_path) is None


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / SCORES, persons=np.array([{}], object))
    assert read_sequence_scores(tmp_path) is None
