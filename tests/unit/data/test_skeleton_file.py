from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hico_platform.data import skeleton_file
from hico_platform.data.skeleton_file import BodyOrder, SkeletonName, read_skeleton, write_skeleton
from hico_platform.errors import DataError


def walk(frames: int, bodies: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((frames, bodies, 25, 3)).astype(np.float32)


def text_of(frames: list[list[tuple[int, float]]]) -> str:
    """A file of bodies (id, x) whose every joint stands at (x, x, x)."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for identity, x in bodies:
            lines += [f"{identity} 0 1 1 1 1 0 -0.1 0.2 2", "25", *[f"{x} {x} {x} 0 0 0 0 0 0 0 0 2"] * 25]
    return "\n".join(lines) + "\n"


def test_what_is_written_is_read_back_exactly(tmp_path: Path) -> None:
    pose = walk(7, 2)
    pose[2, 1] = 0
    pose[3] = 0
    pose[4, 0, 5] = 0
    write_skeleton(tmp_path / "a.skeleton", pose)
    np.testing.assert_array_equal(read_skeleton(tmp_path / "a.skeleton").pose, pose)
    marked = tmp_path / "marked.skeleton"
    marked.write_text((tmp_path / "a.skeleton").read_text(), encoding="utf-8-sig")
    np.testing.assert_array_equal(read_skeleton(marked).pose, pose)


def test_a_body_is_followed_by_its_id_even_beyond_what_a_float_tells_apart(tmp_path: Path) -> None:
    one, two = 72057594037931101, 72057594037931102
    assert float(one) == float(two)
    path = tmp_path / "a.skeleton"
    path.write_text(text_of([[(one, 1), (two, 2)], [(two, 2), (one, 1)], [], [(two, 2)]]))
    followed = read_skeleton(path).pose
    np.testing.assert_array_equal(followed[:, :, 0, 0], [[1, 2], [1, 2], [0, 0], [0, 2]])
    released = read_skeleton(path, bodies=BodyOrder.RELEASED).pose
    np.testing.assert_array_equal(released[:, :, 0, 0], [[1, 2], [2, 1], [0, 0], [2, 0]])


def test_four_bodies_are_read_in_the_released_order(tmp_path: Path) -> None:
    path = tmp_path / "a.skeleton"
    path.write_text(text_of([[(i, i) for i in range(1, 7)]]))
    read = read_skeleton(path, bodies=BodyOrder.RELEASED)
    np.testing.assert_array_equal(read.pose[0, :, 0, 0], [1, 2, 3, 4])
    assert read.remarks == {}


def test_two_actors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.skeleton"
    path.write_text(text_of([[(i, i) for i in range(1, 7)]]))
    read = read_skeleton(path)
    np.testing.assert_array_equal(read.pose[0, :, 0, 0], [1, 2])
    assert read.remarks == {"tracks beyond two dropped": 4}


def test_more_bodies_than_the_sensor_tracks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.skeleton"
    path.write_text(text_of([[(1, 1)], [(i, i) for i in range(1, 8)]]))
    with pytest.raises(
        DataError, match=r"a.skeleton:30: expected a frame of at most 6 bodies, as the sensor tracks, got 7"
    ):
        read_skeleton(path)


def test_too_many_ids_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeleton_file, "MOST_TRACKS", 2)
    path = tmp_path / "a.skeleton"
    path.write_text(text_of([[(1, 1), (2, 2)], [(3, 3)]]))
    with pytest.raises(DataError, match=r"a.skeleton: expected a recording of at most 2 bodyIDs, got 3; cut the"):
        read_skeleton(path)


def test_windows_line_ends_and_trailing_blanks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.skeleton"
    text = text_of([[(5, 1.5)], []])
    path.write_bytes(text.replace("\n", " \r\n").encode() + b"\r\n\r\n")
    np.testing.assert_array_equal(read_skeleton(path).pose[:, 0, 0, 0], [1.5, 0])


def test_names() -> None:
    name = SkeletonName(setup=1, camera=2, subject=103, repetition=2, action=60)
    assert str(name) == "S001C002P103R002A060"
    assert SkeletonName.parse(str(name)) == name
    assert SkeletonName.parse("S1C2P3R1A1") is None


def edit(number: int, change: Callable[[str], str]) -> Callable[[str], str]:
    def edited(text: str) -> str:
        lines = text.split("\n")
        lines[number - 1] = change(lines[number - 1])
        return "\n".join(lines)

    return edited


@pytest.mark.parametrize(
    ("harm", "line", "message"),
    [
        (lambda text: "", 1, "a .skeleton file with content"),
        (lambda text: " \n\n", 1, "a .skeleton file with content"),
        (lambda text: "0\n", 1, "a recording of at least one frame, got 0"),
        (lambda text: "-1\n", 1, "a whole number for the number of frames, got '-1'"),
        (lambda text: "1e3\n" + text[2:], 1, "a whole number for the number of frames, got '1e3'"),
        (lambda text: text[: len(text) * 3 // 4], 44, "a file that goes on to its last frame, got 'the end before"),
        (lambda text: "3" + text[1:], 57, "a file that goes on to its last frame, got 'the end before"),
        (lambda text: "1" + text[1:], 30, "a file that ends after the frames it announced, got '1'"),
        (lambda text: "99999" + text[1:], 57, "a file that goes on to its last frame"),
        (lambda text: "100001" + text[1:], 1, "a recording of at most 100000 frames, got 100001; cut it into actions"),
        (lambda text: "999999999999" + text[1:], 1, "a recording of at most 100000 frames, got 999999999999; cut"),
        (edit(2, lambda _: "2"), 30, "a line of 10 numbers for a body, got 1"),
        (edit(2, lambda _: "x"), 2, "numbers for the number of bodies, got 'x'"),
        (edit(2, lambda _: "1 1"), 2, "a line of 1 number for the number of bodies, got 2"),
        (edit(3, lambda line: line[:-2]), 3, "a line of 10 numbers for a body, got 9"),
        (edit(3, lambda line: "1.5" + line[1:]), 3, "a whole number for a bodyID, got '1.5"),
        (edit(4, lambda _: "20"), 4, "a body of 25 joints, got 20"),
        (
            lambda text: "\n".join(text.split("\n")[:24] + text.split("\n")[29:]),
            25,
            "a line of 12 numbers for a joint, got 1",
        ),
        (
            edit(9, lambda line: line.replace("1.5", "nan", 1)),
            9,
            "a coordinate that is a finite number, got 'nan 1.5 1.5'",
        ),
        (edit(9, lambda line: line.replace("1.5", "-inf", 1)), 9, "a coordinate that is a finite number, got '-inf"),
        (edit(9, lambda line: line.replace("1.5", "1e5", 1)), 9, "a coordinate within 10000 metres, got '100000.0"),
        (edit(9, lambda line: line.replace("1.5", "1,5", 1)), 9, "numbers for a joint, got '1,5'"),
        (edit(9, lambda line: line.replace("1.5", "1_5", 1)), 9, "numbers for a joint, got '1_5'"),
        (edit(9, lambda line: line + " 1"), 9, "a line of 12 numbers for a joint, got 13"),
        (edit(9, lambda line: line[:-1] + "left"), 9, "numbers for a joint, got 'left'"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path: Path, harm: Callable[[str], str], line: int, message: str) -> None:
    path = tmp_path / "a.skeleton"
    path.write_text(harm(text_of([[(7, 1.5)], [(7, 2.5)]])))
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_skeleton(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_a_binary_file_one_body_twice_and_a_giant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.skeleton"
    path.write_bytes(bytes(range(128, 256)) * 100)
    with pytest.raises(
        DataError, match=r"a.skeleton:1: expected text for the number of frames; get the file again: this one is binary"
    ):
        read_skeleton(path)
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(DataError, match=r"numbers for the number of frames"):
        read_skeleton(path)
    path.write_text(text_of([[(7, 1), (7, 2)]]))
    with pytest.raises(DataError, match=r"a.skeleton:30: expected a bodyID that occurs once in a frame, got 7"):
        read_skeleton(path)
    monkeypatch.setattr(skeleton_file, "MOST_BYTES", 100)
    with pytest.raises(DataError, match=r"a recording's file of at most 100 bytes"):
        read_skeleton(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.skeleton")
    (tmp_path / "folder.skeleton").mkdir()
    for name in ("pipe.skeleton", "folder.skeleton"):
        with pytest.raises(DataError, match=f"{name}: expected a file, got 'a folder, pipe or device'"):
            read_skeleton(tmp_path / name)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    frames=st.lists(
        st.lists(
            st.tuples(st.integers(0, 2**64), st.floats(-9, 9, width=32)), max_size=5, unique_by=lambda body: body[0]
        ),
        min_size=1,
        max_size=6,
    )
)
def test_both_ways_of_reading_agree(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[tuple[int, float]]]
) -> None:
    path = tmp_path_factory.mktemp("agree") / "a.skeleton"
    data = text_of(frames).encode()
    path.write_bytes(data)
    fast, slow = skeleton_file._parse_at_once(data), skeleton_file._parse_by_line(data, path)
    assert fast is not None
    assert (fast.num_frames, fast.frames, fast.positions, fast.ids) == (
        slow.num_frames, slow.frames, slow.positions, slow.ids,
    )  # fmt: skip
    np.testing.assert_array_equal(fast.coordinates, slow.coordinates)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_as_line_by_line_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(text_of([[(1, 1.5), (2, 2.5)], [(2, 3.5)]]).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole)))
        with_what = data.draw(st.binary(max_size=4) | st.sampled_from([b"\n", b" "]))
        whole[at : at + data.draw(st.integers(0, 40))] = with_what
    path = tmp_path_factory.mktemp("damaged") / "a.skeleton"
    fast = skeleton_file._parse_at_once(bytes(whole))
    refused, slow = "", None
    try:
        slow = skeleton_file._parse_by_line(bytes(whole), path)
    except DataError as error:
        refused = str(error)
    if slow is None:
        assert fast is None, f"read at once, though {refused}"
        assert re.match(r".*a\.skeleton:\d+: ", refused)
    elif fast is not None:
        np.testing.assert_array_equal(fast.coordinates, slow.coordinates)
