"""A step of training on a GPU, launched as one CUDA graph.

A step is over a thousand short kernels, and to launch one takes the host longer than the GPU needs for it. So after a
few steps its launches are recorded once, with whatever they read and write, and each step from then on replays them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

from hico_platform.feature_flags import switched_off
from hico_platform.model.contrast import Losses
from hico_platform.ops.cuda_streams import join_sides

LAUNCHED = 3  # steps before the recording: libraries choose their algorithms and optimisers make their state


def can_capture(device: torch.device) -> bool:
    """Whether steps on ``device`` are recorded: on an NVIDIA GPU, unless ``HICO_CUDA_GRAPHS=off``."""
    return device.type == "cuda" and torch.version.hip is None and not switched_off("HICO_CUDA_GRAPHS")


class CapturedStep:
    """``step`` of some tensors, whose shapes never change; recorded at the fourth call.

    ``step`` may read and write any tensor that outlives it, but nothing of the host: what it reads there is what it
    read while it was recorded. ``generator`` is what it draws from, beside PyTorch's own. The losses that a call
    returns are overwritten by the next; they know nothing of what led to them, whose nodes belong to the stream of a
    launched step and would be waited for in the recording.
    """

    def __init__(self, step: Callable[..., Losses], *, generator: torch.Generator) -> None:
        self._step = step
        self._generator = generator
        self._launched = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._losses: Losses | None = None

    def __call__(self, *inputs: Tensor) -> Losses:
        """The losses of one step.

        Raises:
            RuntimeError: the step does what a CUDA graph cannot record; memory ran out.
        """
        if self._launched < LAUNCHED:
            self._launched += 1
            return _detached(self._step(*inputs))
        if self._graph is None or self._losses is None:
            self._inputs = tuple(torch.empty_like(each) for each in inputs)
            self._graph, self._losses = self._capture()
        for mine, given in zip(self._inputs, inputs, strict=True):
            mine.copy_(given)
        self._graph.replay()
        return self._losses

    def _capture(self) -> tuple[torch.cuda.CUDAGraph, Losses]:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        before, failure = torch.cuda.current_stream(), None
        try:
            # Another thread may copy a next batch to the GPU meanwhile: that is not part of the step.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                try:
                    losses = self._step(*self._inputs)
                except BaseException as error:
                    failure = error
                    join_sides()  # which a backward pass left, or this recording cannot end and give back its memory
                    raise
        except BaseException:
            torch.cuda.set_stream(before)  # a recording that cannot be ended leaves its own
            device = self._generator.device.index or 0
            _leave_recording(self._generator, *torch.cuda.default_generators[device : device + 1])
            if failure is not None:
                raise failure from None  # and says so, where memory may be what ran out
            raise
        finally:
            del failure  # or it would keep this frame, and this frame it, with all that the step had made
        return graph, _detached(losses)


def _leave_recording(*generators: torch.Generator) -> None:
    """Before PyTorch 2.12 a recording that cannot be ended leaves its generators as if they were still in it."""
    for generator in generators:
        with suppress(RuntimeError):
            fresh = torch.Generator(generator.device)
            fresh.set_state(generator.get_state())
            generator.graphsafe_set_state(fresh)


def _detached(losses: Losses) -> Losses:
    return Losses(losses.total.detach(), {level: loss.detach() for level, loss in losses.levels.items()})
