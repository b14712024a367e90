from __future__ import annotations

import json
import socket
import time

import pytest

from hico_platform.search.drivers import clock_time, user_name
from hico_platform.search.requests import (
    Answer,
    Request,
    RequestKind,
    answer_to_plain,
    new_request,
    request_from_plain,
    request_to_plain,
)

ANSWER = Answer(obeyed=True, says="3 trials go on", at_s=2.0, driver="gpu-1:7")


def test_a_request_is_of_this_account_now() -> None:
    before_s = time.time()
    one, other = new_request(RequestKind.PAUSE), new_request(RequestKind.STOP, trial=3)
    assert (one.by, one.host) == (user_name(), socket.gethostname())
    assert before_s <= one.at_s <= time.time()
    assert one.key < other.key, "keys are in the order in which they were made"
    assert (one.trial, dict(one.values), one.count, one.answer) == (None, {}, 0, None)


@pytest.mark.parametrize(
    "request_made",
    [
        new_request(RequestKind.PAUSE),
        new_request(RequestKind.STOP, trial=0),
        new_request(RequestKind.EXTEND, count=4),
        new_request(RequestKind.PRIORITY, trial=12, count=-5),
        new_request(RequestKind.ADD, values={"contrast.temperature": 0.07, "model.encoder": "lstm", "x": True}),
    ],
)
@pytest.mark.parametrize("answer", [None, ANSWER])
def test_a_ledger_gives_back_what_it_was_given(request_made: Request, answer: Answer | None) -> None:
    plain = json.loads(json.dumps(request_to_plain(request_made)))
    assert not plain.keys() & {"key", "answer"}
    said = None if answer is None else json.loads(json.dumps(answer_to_plain(answer)))
    found = request_from_plain(request_made.key, plain, said)
    assert found is not None
    assert found.answer == answer
    assert found.as_dict() == {**request_made.as_dict(), "answer": None if said is None else said}


def test_the_words_that_are_kept_stay_readable() -> None:
    assert [str(kind) for kind in RequestKind] == ["stop", "pause", "continue", "add", "extend", "priority"]


def test_a_request_in_words() -> None:
    made = (
        new_request(RequestKind.PAUSE),
        new_request(RequestKind.STOP, trial=0),
        new_request(RequestKind.EXTEND, count=1),
        new_request(RequestKind.EXTEND, count=2),
        new_request(RequestKind.PRIORITY, trial=3, count=7),
        new_request(RequestKind.ADD, values={"a": 1, "b": "x"}),
    )
    assert [one.words for one in made] == [
        "pause", "stop trial 0", "extend by 1 trial", "extend by 2 trials", "priority 7 of trial 3", "add a=1, b=x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "waits for the driver"),
        (ANSWER, f"3 trials go on, {clock_time(2.0)}"),
        (Answer(obeyed=False, says="none waits", at_s=2.0), f"refused, none waits, {clock_time(2.0)}"),
    ],
)
def test_a_request_with_who_when_and_what_came_of_it(answer: Answer | None, words: str) -> None:
    one = Request(key="1", kind=RequestKind.CONTINUE, by="ann", host="desk", at_s=9.0, trial=4, answer=answer)
    assert one.sentence == f"{clock_time(9.0)} ann on desk: continue trial 4 ({words})"


def test_what_another_version_wrote_is_read_as_far_as_it_goes() -> None:
    plain = request_to_plain(new_request(RequestKind.PAUSE))
    assert request_from_plain("k", plain | {"kind": "dance"}) is None
    assert request_from_plain("k", {}) is None
    assert request_from_plain("k", ["pause"]) is None
    odd = request_from_plain(
        "k",
        {"kind": "pause", "by": "a\x1b[2J" + "b" * 1000, "at_s": "x", "trial": True, "count": 1.5, "values": [1]},
        {"obeyed": 1, "at_s": float("nan")},
    )
    assert odd is not None
    assert (odd.by[:5], len(odd.by), odd.host, odd.at_s, odd.trial) == ("a?[2J", 1000, "unknown", 0.0, None)
    assert (odd.count, odd.values) == (0, {})
    assert odd.answer == Answer(obeyed=False, says="unknown", at_s=0.0, driver="unknown"), "1 is not true"
    assert request_from_plain("k", {"kind": "pause", "at_s": True}) is not None


def test_a_point_whose_values_are_none_is_left_to_another_version() -> None:
    for values in ({"contrast.temperature": {"x": {}}}, {"contrast.temperature": [0.1]}):
        assert request_from_plain("k", {"kind": "add", "values": values}) is None
    assert request_from_plain("k", {"kind": "add", "values": {"model.heads": None}}) is not None


def test_a_point_steers_no_terminal_and_is_shown_in_part_where_it_is_long() -> None:
    point = request_from_plain("k", {"kind": "add", "values": {"a\x1b[2J": "b\x07" + "c" * 1000}})
    assert point is not None
    assert point.words == "add a?[2J=b?" + "c" * 98
