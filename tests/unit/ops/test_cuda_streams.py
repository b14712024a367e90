"""Which streams work is launched on while a CUDA graph is recorded; the GPU is played by fakes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from hico_platform.ops import cuda_streams
from hico_platform.ops.cuda_streams import concurrently


class FakeStream:
    made = 0

    def __init__(self) -> None:
        self.number = FakeStream.made
        FakeStream.made += 1

    def wait_stream(self, other: FakeStream) -> None:
        LOG.append(f"{self.number} waits for {other.number}")


LOG: list[str] = []
CURRENT: list[FakeStream] = []


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def on(stream: FakeStream) -> Iterator[None]:
        CURRENT.append(stream)
        try:
            yield
        finally:
            CURRENT.pop()

    FakeStream.made = 0
    LOG.clear()
    CURRENT[:] = [FakeStream()]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: CURRENT[-1])
    monkeypatch.setattr(torch.cuda, "Stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(cuda_streams, "_SIDES", cuda_streams._Sides())


def works(name: str) -> int:
    LOG.append(f"{name} on {CURRENT[-1].number}")
    return CURRENT[-1].number


def test_nothing_is_forked_outside_a_recording() -> None:
    assert concurrently(lambda: 1, lambda: 2) == [1, 2]


def test_each_work_is_on_a_stream_of_its_own_which_waits_and_is_waited_for(recording: None) -> None:
    assert concurrently(lambda: works("a"), lambda: works("b"), lambda: works("c")) == [0, 1, 2]
    forks = ["1 waits for 0", "2 waits for 0"]
    assert [*forks, "a on 0", "b on 1", "c on 2", "0 waits for 1", "0 waits for 2"] == LOG


def test_work_within_work_has_streams_that_no_other_has_and_the_next_begins_again(recording: None) -> None:
    def branches() -> list[int]:
        return concurrently(lambda: works("temporal"), lambda: works("spatial"))

    for _ in range(3):
        assert concurrently(branches, branches) == [[0, 2], [1, 3]]
    assert concurrently(lambda: works("a"), lambda: works("b")) == [0, 1]
    assert FakeStream.made == 4


def test_streams_are_joined_and_free_again_after_a_failure(recording: None) -> None:
    def fails() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        concurrently(lambda: works("a"), fails)
    assert LOG[-1] == "0 waits for 1"
    assert concurrently(lambda: works("a"), lambda: works("b")) == [0, 1]


def test_a_failure_is_heard_whose_recording_can_no_longer_be_joined(
    recording: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> int:
        monkeypatch.setattr(FakeStream, "wait_stream", lost)
        raise ValueError("the cause")

    def lost(self: FakeStream, other: FakeStream) -> None:
        raise RuntimeError("operation failed due to a previous error during capture")

    with pytest.raises(ValueError, match="the cause"):
        concurrently(lambda: works("a"), fails)
    cuda_streams.join_sides()


def test_paths_that_a_failure_left_are_joined_and_others_are_not(
    recording: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    concurrently(lambda: works("a"), lambda: works("b"), lambda: works("c"))
    LOG.clear()
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: CURRENT[-1].number == 2)
    cuda_streams.join_sides()
    assert LOG == ["0 waits for 2"]
