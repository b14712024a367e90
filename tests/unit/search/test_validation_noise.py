from __future__ import annotations

import dataclasses

import pytest

from hico_platform.enums import Clusters, Signal
from hico_platform.search.validation_noise import COARSE, ValidationNoise


def noise(error: float, signal: Signal = Signal.KNN_TOP1) -> ValidationNoise:
    return ValidationNoise(signal=signal, sequences=57, persons=2, score=0.6, standard_error=error)


def test_only_a_coarse_score_is_warned_of() -> None:
    assert noise(COARSE - 0.001).warning is None
    warning = noise(0.065).warning
    assert warning is not None
    assert warning.startswith("validation has 57 sequences of 2 persons: ")
    assert "6 points" in warning
    assert "differences under 13 points are noise; objectives: [knn_subjects]" in warning


@pytest.mark.parametrize(
    ("clusters", "count", "said"),
    [
        (Clusters.SEQUENCES, 57, "validation has 57 sequences: "),
        (Clusters.VIDEOS, 4, "validation has 57 sequences of 4 videos: "),
        (Clusters.VIDEOS, 57, "validation has 57 sequences: "),
    ],
)
def test_persons_are_counted_where_they_are_known_else_videos(clusters: Clusters, count: int, said: str) -> None:
    warning = dataclasses.replace(noise(0.06), persons=count, clusters=clusters).warning
    assert warning is not None
    assert warning.startswith(said)


def test_one_person_is_warned_of_however_many_their_sequences() -> None:
    one = dataclasses.replace(noise(0.01), persons=1, sequences=2400)
    assert one.warning is not None
    assert one.warning.startswith(
        "validation has 2400 sequences of 1 person: nobody knows how other persons would score, nor how sure a score "
        "is; objectives: [knn_subjects]"
    )
    assert "points" not in one.warning, "what is drawn from a single person has no error to speak of"
    assert dataclasses.replace(one, persons=2).warning is None
    assert dataclasses.replace(one, persons=1, sequences=1, clusters=Clusters.SEQUENCES).warning is None


def test_a_search_that_scores_all_training_subjects_already_is_not_told_to() -> None:
    warning = noise(0.06, Signal.KNN_SUBJECTS).warning
    assert warning is not None
    assert warning.startswith("the training part has 57 sequences")
    assert warning.endswith("more recordings would help")
