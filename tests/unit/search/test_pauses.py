from __future__ import annotations

import json

import pytest

from hico_platform.search.pauses import Pause, ended, outside, pauses_from, to_note


def test_a_note_is_read_as_it_was_written() -> None:
    pauses: dict[int, tuple[Pause, ...]] = {3: ((1.0, 2.5), (7.0, None)), 12: ((4.0, 5.0),)}
    assert pauses_from(json.loads(json.dumps(to_note({**pauses, 4: ()})))) == pauses


@pytest.mark.parametrize("note", [None, [], "x", {"a": [[1, 2]]}, {"1": 3}])
def test_what_is_no_note_has_no_pauses(note: object) -> None:
    assert pauses_from(note) == {}


@pytest.mark.parametrize("one", [[1], [None, 2], ["a", 2], [True, 2], [float("nan"), 2], [1, "b"], 5])
def test_what_is_no_pause_is_left_out(one: object) -> None:
    assert pauses_from({"1": [one, [5, 6]]}) == {1: ((5.0, 6.0),)}


def test_a_pause_ends_and_never_before_it_began() -> None:
    assert ended(((1.0, 2.0), (5.0, None)), at_s=9.0) == ((1.0, 2.0), (5.0, 9.0))
    assert ended(((5.0, None),), at_s=4.0) == ((5.0, 5.0),)


@pytest.mark.parametrize(
    ("pauses", "parts"),
    [
        ([], [(10.0, 20.0)]),
        ([(1.0, 9.0), (20.0, 30.0)], [(10.0, 20.0)]),
        ([(12.0, 15.0)], [(10.0, 12.0), (15.0, 20.0)]),
        ([(16.0, 17.0), (12.0, 15.0)], [(10.0, 12.0), (15.0, 16.0), (17.0, 20.0)]),
        ([(5.0, 12.0), (18.0, None)], [(12.0, 18.0)]),
        ([(12.0, None)], [(10.0, 12.0)]),
        ([(5.0, None)], [(20.0, 20.0)]),
        ([(5.0, 40.0)], [(20.0, 20.0)]),
    ],
)
def test_the_parts_outside(pauses: list[Pause], parts: list[tuple[float, float]]) -> None:
    assert outside(10.0, 20.0, pauses) == parts
