from __future__ import annotations

from hico_platform.enums import Signal
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


def test_no_persons_are_counted_where_none_is_known() -> None:
    warning = ValidationNoise(signal=Signal.KNN_TOP1, sequences=57, persons=57, score=0.6, standard_error=0.06).warning
    assert warning is not None
    assert warning.startswith("validation has 57 sequences: ")


def test_a_search_that_scores_all_training_subjects_already_is_not_told_to() -> None:
    warning = noise(0.06, Signal.KNN_SUBJECTS).warning
    assert warning is not None
    assert warning.startswith("the training part has 57 sequences")
    assert warning.endswith("more recordings would help")
