from __future__ import annotations

import time

from hico_platform.cli.views.steering_view import steering_lines
from hico_platform.search.drivers import clock_time
from hico_platform.search.requests import Answer, RequestKind
from tests.unit.cli.steered import request
from tests.unit.search.handmade import status


def test_nothing_was_asked() -> None:
    assert list(steering_lines(status())) == []


def test_what_is_paused() -> None:
    assert list(steering_lines(status(is_paused=True, paused_trials=(1,)))) == [
        "paused: no trial runs; go on by: hico-platform continue toy"
    ]
    assert list(steering_lines(status(paused_trials=(1, 4)))) == ["paused: trials 1, 4"]


def test_the_last_requests_with_their_answers() -> None:
    asked = [request(RequestKind.PAUSE, trial=number, at_s=time.time()) for number in range(7)]
    refused = Answer(obeyed=False, says="it has\x1b[2J ended", at_s=time.time())
    asked[-1] = request(RequestKind.EXTEND, count=2, by="ann\n", answer=refused)
    lines = list(steering_lines(status(requests=tuple(asked))))
    assert lines[0] == "asked: 2 earlier requests are not shown"
    assert len(lines) == 6
    assert lines[1].endswith("ann on desk: pause trial 2 (waits for the driver)")
    assert lines[-1].startswith(f"asked: {clock_time(0.0)} ann  on desk: extend by 2 trials (refused, it has?[2J ended")
    assert len(list(steering_lines(status(requests=tuple(asked)), most=7))) == 7
