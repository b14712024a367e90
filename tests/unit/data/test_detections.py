from __future__ import annotations

import numpy as np

from hico_platform.data.detections import BEYOND, MOST_FRAMES_BETWEEN, tracked


def person(x: float, *, score: float = 1.0) -> np.ndarray:
    """Four joints (J, 3) on a square of side 1 at x."""
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    return np.column_stack([corners + np.array([x, 0]), np.full(4, score)])


def test_people_keep_their_place_whatever_the_order_in_a_frame() -> None:
    frames = [np.stack([person(0), person(5)]), np.stack([person(5.2), person(0.2)])]
    pose, remarks = tracked([0, 1], frames)
    assert pose.shape == (2, 2, 4, 3)
    assert remarks == {}
    assert sorted(pose[1, :, 0, 0] - pose[0, :, 0, 0]) == [np.float64(0.2), np.float64(5.2) - 5]


def test_a_person_goes_on_after_a_short_gap_alone() -> None:
    for gap, bodies in ((MOST_FRAMES_BETWEEN, 1), (MOST_FRAMES_BETWEEN + 1, 2)):
        pose, _ = tracked([0, gap], [person(0)[None], person(0.1)[None]])
        assert pose.shape[:2] == (gap + 1, bodies)
        assert not pose[1:-1].any(), "frames without anybody"


def test_who_moves_further_than_half_their_size_is_another_person() -> None:
    assert tracked([0, 1], [person(0)[None], person(0.5)[None]])[0].shape[1] == 1
    assert tracked([0, 1], [person(0)[None], person(0.6)[None]])[0].shape[1] == 2


def test_the_two_of_the_largest_scores_stay() -> None:
    people = np.stack([person(0, score=0.2), person(10, score=0.9), person(20, score=0.5)])
    pose, remarks = tracked([0], [people])
    assert pose[0, :, 0, 0].tolist() == [10, 20]
    assert remarks == {BEYOND: 1}


def test_nobody_and_damaged_numbers() -> None:
    assert tracked([], [])[0].shape == (0, 0, 0, 3)
    assert tracked([0], [np.zeros((0, 4, 3))])[0].shape == (1, 0, 4, 3)
    broken = person(0)[None].copy()
    broken[..., 0] = np.inf
    assert tracked([0, 1], [broken, broken])[0].shape[:2] == (2, 2), "nobody is near a person at no place"
