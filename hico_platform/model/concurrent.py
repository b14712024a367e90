"""Work that does not depend on one another side by side on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

Made = TypeVar("Made")


def concurrently(*work: Callable[[], Made]) -> list[Made]:
    """What each of ``work`` makes; while a CUDA graph is recorded, each is a path of its own through it.

    Most kernels of a step fill a part of a GPU only. Outside a recording they are launched one after the other, which
    takes longer than they do. The gradients go the same ways backwards.
    """
    if not torch.cuda.is_available() or not torch.cuda.is_current_stream_capturing():
        return [each() for each in work]
    main = torch.cuda.current_stream()
    sides = [torch.cuda.Stream() for _ in work[1:]]
    for side in sides:
        side.wait_stream(main)
    made: list[Made] = []
    for stream, run in zip([main, *sides], work, strict=True):
        with torch.cuda.stream(stream):
            made.append(run())
    for side, each in zip(sides, made[1:], strict=True):
        main.wait_stream(side)
        for tensor in _tensors(each):
            tensor.record_stream(main)  # its memory is not given out again before this
    return made


def _tensors(made: object) -> Iterator[Tensor]:
    if isinstance(made, Tensor):
        yield made
    elif isinstance(made, dict):
        yield from _tensors(made.values())
    elif isinstance(made, Iterable):
        for each in made:
            yield from _tensors(each)
