from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hico_platform.data.importing import import_dataset
from hico_platform.data.skeleton_file import BodyOrder, Recording, read_skeleton, write_skeleton
from hico_platform.data.store import Store
from hico_platform.data.synth.generate import one_sequence
from hico_platform.data.synth.presets import TINY
from hico_platform.data.tracks import MOST_MISSING_FRAMES, SHORT_FRAMES, find_actors

T = 103
TWO_PEOPLE = len(TINY.actions) - 1


@cache
def generated(action: int) -> np.ndarray:
    """(103, M, 25, 3): a generated action, forwards and backwards as often as it takes."""
    pose = np.nan_to_num(one_sequence(TINY, seed=0, action=action, subject=1, camera=0, repetition=0).pose)
    there_and_back = np.concatenate([pose, pose[-2:0:-1]])
    return there_and_back[np.arange(T) % len(there_and_back)]


def person(seed: int = 0, *, at: float = 0.0) -> np.ndarray:
    """(103, 25, 3): one generated person, moved ``at`` metres to the right."""
    return generated(seed)[:, 0] + np.float32([at, 0, 0])


def tracks_of(*tracks: tuple[np.ndarray, int, int]) -> np.ndarray:
    """(103, K, 25, 3): column k is the k-th body between two frames; each column gets a bodyID of its own."""
    pose = np.zeros((T, len(tracks), 25, 3), np.float32)
    for k, (body, start, end) in enumerate(tracks):
        pose[start:end, k] = body[start:end]
    return pose


def reread(folder: Path, pose: np.ndarray, *, bodies: BodyOrder = BodyOrder.FOLLOWED) -> Recording:
    write_skeleton(folder / "a.skeleton", pose)
    return read_skeleton(folder / "a.skeleton", bodies=bodies)


def test_a_person_whose_id_changes_is_one_actor(tmp_path: Path) -> None:
    one = person()
    read = reread(tmp_path, tracks_of((one, 0, 50), (one, 50, T)))
    np.testing.assert_array_equal(read.pose[:, 0], one)
    assert read.pose.shape[:2] == (T, 1)
    assert read.remarks == {"tracks joined": 1, "recordings with joined tracks": 1}


def test_the_report_of_an_import_counts_what_was_joined_and_dropped(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    one, ghost = person(), person(1, at=2.0)
    tracks = {
        "S001C001P001R001A001": tracks_of((one, 0, 1), (one, 1, 50), (ghost, 3, 9), (one, 50, T)),
        "S001C001P001R001A002": tracks_of((one, 0, 50), (one, 50, T)),
        "S001C001P001R001A003": tracks_of((one, 0, T)),
    }
    for name, pose in tracks.items():
        write_skeleton(tmp_path / "raw" / f"{name}.skeleton", pose)
    report = import_dataset(tmp_path / "raw", tmp_path / "out", format_name="ntu60")
    assert report.remarks == {"recordings with joined tracks": 2, "short tracks dropped": 1, "tracks joined": 3}
    store = Store.open(tmp_path / "out")
    for index in range(3):
        np.testing.assert_array_equal(store.pose(index), store.pose(2))


def test_ids_of_one_frame_each_before_the_one_that_stays(tmp_path: Path) -> None:
    one = person()
    bounds = [0, 1, 2, 3, 4, T]
    read = reread(tmp_path, tracks_of(*[(one, *bound) for bound in pairwise(bounds)]))
    np.testing.assert_array_equal(read.pose[:, 0], one)
    assert read.pose.shape[:2] == (T, 1)
    assert read.remarks == {"tracks joined": 4, "recordings with joined tracks": 1}


@pytest.mark.parametrize(("first", "second"), [(40, 40), (40, 60), (60, 40)])
def test_two_people_whose_ids_both_change_are_told_apart_by_where_they_are(
    tmp_path: Path, first: int, second: int
) -> None:
    left, right = generated(TWO_PEOPLE).transpose(1, 0, 2, 3)
    pose = tracks_of((left, 0, first), (right, 0, second), (right, second, T), (left, first, T))
    read = reread(tmp_path, pose)
    np.testing.assert_array_equal(read.pose, np.stack([left, right], axis=1))
    assert read.remarks == {"tracks joined": 2, "recordings with joined tracks": 1}


def test_one_of_two_new_ids_goes_on_where_the_lost_one_ended(tmp_path: Path) -> None:
    """As in S010C003P025R001A060, where one person is there first and a second one enters as the id changes."""
    left, right = person(), person(1, at=1.2)
    read = reread(tmp_path, tracks_of((left, 0, 30), (right, 30, T), (left, 31, T)))
    assert read.pose.shape[:2] == (T, 2)
    np.testing.assert_array_equal(read.pose[31:], np.stack([left, right], axis=1)[31:])
    assert not read.pose[30, 0].any()
    assert read.remarks["tracks joined"] == 1


def test_frames_between_two_tracks_stay_empty(tmp_path: Path) -> None:
    one = person()
    read = reread(tmp_path, tracks_of((one, 0, 40), (one, 60, T)))
    assert read.pose.shape[:2] == (T, 1)
    assert not read.pose[40:60].any()
    np.testing.assert_array_equal(read.pose[60:, 0], one[60:])


def test_who_leaves_on_the_left_is_not_who_enters_on_the_right(tmp_path: Path) -> None:
    left, right = person(at=-1.5), person(1, at=1.5)
    read = reread(tmp_path, tracks_of((left, 0, 45), (right, 55, T)))
    np.testing.assert_array_equal(read.pose, tracks_of((left, 0, 45), (right, 55, T)))
    assert read.remarks == {}


def test_one_of_two_people_is_lost_before_the_other_is_found(tmp_path: Path) -> None:
    left, right = generated(TWO_PEOPLE).transpose(1, 0, 2, 3)
    pose = tracks_of((left, 0, 45), (right, 65, T))
    np.testing.assert_array_equal(reread(tmp_path, pose).pose, pose)


def stand(frames: int, at: float) -> np.ndarray:
    """(frames, 25, 3): a body that stands still."""
    return np.tile(np.linspace([at, -1, 3], [at + 0.2, 0.8, 3.1], 25), (frames, 1, 1))


@pytest.mark.parametrize(
    ("missing", "metres", "joined"),
    [
        (0, 0.34, True),  # 0.3 m for a body just found, and 0.05 m for one frame at 1.5 m/s
        (0, 0.36, False),
        (4, 0.54, True),
        (4, 0.56, False),
        (30, 0.79, True),
        (30, 0.81, False),  # never farther than an arm's length
        (MOST_MISSING_FRAMES, 0.0, True),
        (MOST_MISSING_FRAMES + 1, 0.0, False),
    ],
)
def test_how_far_and_how_long_one_may_be_away(missing: int, metres: float, joined: bool) -> None:
    frames = [*range(20), *range(20 + missing, 40 + missing)]
    coordinates = np.concatenate([stand(20, 0.5), stand(20, 0.5 + metres)])
    found = find_actors(frames, [1] * 20 + [2] * 20, coordinates)
    assert found.numbers.tolist() == [0] * 20 + [0 if joined else 1] * 20


def test_a_track_that_overlaps_is_another_person() -> None:
    frames = sorted([*range(20), *range(19, 40)])
    ids = [1] * 20 + [2] * 21
    found = find_actors(frames, ids, np.concatenate([stand(20, 0.5), stand(21, 0.5)]))
    assert found.numbers.tolist() == [0] * 20 + [1] * 21


def test_the_actors_that_are_seen_longest_and_move_most_stay(tmp_path: Path) -> None:
    chair = np.repeat(person()[:1] * np.float32(0.5) + np.float32([-1.2, 0, 1.5]), T, axis=0)
    left, right = person(1), person(2, at=1.2)
    pose = tracks_of((chair, 0, T), (left, 3, T), (right, 50, T))
    read = reread(tmp_path, pose)
    np.testing.assert_array_equal(read.pose, pose[:, 1:])
    assert read.remarks == {"tracks beyond two dropped": 1}


def test_a_short_track_is_dropped_only_where_a_longer_one_is(tmp_path: Path) -> None:
    one, ghost = person(), person(1, at=2.0)
    read = reread(tmp_path, tracks_of((ghost, 0, SHORT_FRAMES), (one, 0, T)))
    np.testing.assert_array_equal(read.pose[:, 0], one)
    assert (read.pose.shape[1], read.remarks) == (1, {"short tracks dropped": 1})
    assert reread(tmp_path, tracks_of((ghost, 0, SHORT_FRAMES + 1), (one, 0, T))).pose.shape[1] == 2
    assert reread(tmp_path, tracks_of((ghost, 0, SHORT_FRAMES), (one, 0, SHORT_FRAMES))).pose.shape[1] == 2


def test_bodies_without_a_joint_are_left_out() -> None:
    bodies = np.concatenate([np.zeros((1, 25, 3)), stand(3, 0.5)])
    assert find_actors([0, 0, 1, 1], [1, 2, 1, 2], bodies).numbers.tolist() == [-1, 0, 1, 0]
    assert find_actors([0, 0], [1, 2], np.zeros((2, 25, 3))).numbers.tolist() == [0, -1]


def test_the_released_order_joins_nothing(tmp_path: Path) -> None:
    one = person()
    pose = tracks_of((one, 0, 50), (person(1, at=1.5), 30, T), (one, 50, T))
    read = reread(tmp_path, pose, bodies=BodyOrder.RELEASED)
    np.testing.assert_array_equal(read.pose[:, 0], np.where(np.arange(T)[:, None, None] < 50, one, pose[:, 1]))
    assert read.remarks == {}


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    frames=st.lists(
        st.lists(st.tuples(st.integers(1, 9), st.floats(-1, 1, width=32)), max_size=6, unique_by=lambda body: body[0]),
        min_size=1,
        max_size=40,
    )
)
def test_no_two_bodies_of_a_frame_are_one_actor(frames: list[list[tuple[int, float]]]) -> None:
    bodies = [(frame, *body) for frame, shown in enumerate(frames) for body in shown]
    coordinates = np.array([x for *_, x in bodies], np.float64)[:, None, None] * np.ones((25, 3))
    found = find_actors([frame for frame, *_ in bodies], [identity for _, identity, _ in bodies], coordinates)
    kept = [(frame, actor) for (frame, *_), actor in zip(bodies, found.numbers.tolist(), strict=True) if actor >= 0]
    assert len(set(kept)) == len(kept)
    actors = list(dict.fromkeys(actor for _, actor in kept))
    assert actors == list(range(len(actors)))
    assert len(actors) <= 2
    assert bool(actors) == bool(bodies)
