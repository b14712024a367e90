"""Work that does not depend on one another side by side on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


def concurrently(*work: Callable[[], Result]) -> list[Result]:
    """The results of ``work``; while a CUDA graph is recorded, each is a path of its own through it.

    Most kernels of a step fill a part of a GPU only. Outside a recording they are launched one after the other, which
    takes longer than they do. The gradients go the same ways backwards; so what a work saves for its gradient it must
    make itself, or it must outlive the backward pass: memory is given out again in the order of one path alone.
    """
    if not torch.cuda.is_available() or not torch.cuda.is_current_stream_capturing():
        return [each() for each in work]
    main = torch.cuda.current_stream()
    with _SIDES.taken(len(work) - 1) as sides:
        for side in sides:
            side.wait_stream(main)
        results: list[Result] = []
        try:
            for stream, run in zip([main, *sides], work, strict=True):
                with torch.cuda.stream(stream):
                    results.append(run())
        except BaseException:
            with suppress(RuntimeError):  # of a recording that is lost: what it was lost by is to be heard
                _join(main, sides)
            raise
        _join(main, sides)
        for each in results[1:]:
            for tensor in _tensors(each):
                tensor.record_stream(main)  # its memory is not given out again before this
        return results


def join_sides() -> None:
    """Has the present path of a recording wait for all others that are in it still, as an error leaves them."""
    main = torch.cuda.current_stream()
    for side in _SIDES.streams:
        with suppress(RuntimeError):  # of a recording that is lost
            with torch.cuda.stream(side):
                recorded = torch.cuda.is_current_stream_capturing()
            if recorded:
                _join(main, [side])


def _join(main: torch.cuda.Stream, sides: list[torch.cuda.Stream]) -> None:
    for side in sides:
        main.wait_stream(side)


class _Sides:
    """The same streams for each recording: PyTorch has 32, and cuBLAS keeps memory for each that it saw."""

    def __init__(self) -> None:
        self.streams: list[torch.cuda.Stream] = []
        self._used = self._depth = 0

    @contextmanager
    def taken(self, count: int) -> Iterator[list[torch.cuda.Stream]]:
        """Streams that no work under way has; all are free again when the outermost work ends."""
        first, self._used = self._used, self._used + count
        while len(self.streams) < self._used:
            self.streams.append(torch.cuda.Stream())
        self._depth += 1
        try:
            yield self.streams[first : first + count]
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._used = 0


_SIDES = _Sides()


def _tensors(result: object) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, dict):
        yield from _tensors(result.values())
    elif isinstance(result, Iterable):
        for each in result:
            yield from _tensors(each)
