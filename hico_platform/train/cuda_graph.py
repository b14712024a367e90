"""A training step on a GPU, captured in a CUDA graph.

A step is more than a thousand short kernels, each of which takes the host longer to launch than the GPU to run. So
after a few eager steps one step is captured, with the memory that it reads and writes, and replayed from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

from hico_platform.feature_flags import switched_off
from hico_platform.model.contrast import Losses
from hico_platform.ops.cuda_streams import join_sides

EAGER_STEPS = 3
"""Steps before the capture, in which libraries choose algorithms and optimisers create their state."""


def can_capture(device: torch.device) -> bool:
    """Whether steps on ``device`` are captured: on an NVIDIA GPU, unless ``HICO_CUDA_GRAPHS=off``."""
    return device.type == "cuda" and torch.version.hip is None and not switched_off("HICO_CUDA_GRAPHS")


class CapturedStep:
    """A function of tensors, ``step``, whose shapes never change; captured at the fourth call.

    ``step`` may read and write any tensor that outlives it, but no value on the host: a replay would use the value of
    the capture. ``generator`` is the generator that it draws from, besides PyTorch's own. The losses that a call
    returns are overwritten by the next call. They are detached, because the autograd nodes of an eager step belong to
    its stream, and the capture would wait for them.
    """

    def __init__(self, step: Callable[..., Losses], *, generator: torch.Generator) -> None:
        self._step = step
        self._generator = generator
        self._eager_steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._losses: Losses | None = None

    def __call__(self, *inputs: Tensor) -> Losses:
        """The losses of one step.

        Raises:
            RuntimeError: the step does something that a CUDA graph cannot capture, or memory ran out.
        """
        if self._eager_steps < EAGER_STEPS:
            self._eager_steps += 1
            return _detached(self._step(*inputs))
        if self._graph is None or self._losses is None:
            self._inputs = tuple(torch.empty_like(each) for each in inputs)
            self._graph, self._losses = self._capture()
        for static, new in zip(self._inputs, inputs, strict=True):
            static.copy_(new)
        self._graph.replay()
        return self._losses

    def _capture(self) -> tuple[torch.cuda.CUDAGraph, Losses]:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        before, failure = torch.cuda.current_stream(), None
        try:
            # Another thread may copy the next batch to the GPU at the same time; that is not part of the capture.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                try:
                    losses = self._step(*self._inputs)
                except BaseException as error:
                    failure = error
                    join_sides()  # side streams of a failed step: the capture cannot end and free its memory before
                    raise
        except BaseException:
            torch.cuda.set_stream(before)  # a failed capture leaves its own stream current
            device = self._generator.device.index or 0
            _leave_capture(self._generator, *torch.cuda.default_generators[device : device + 1])
            if failure is not None:
                raise failure from None  # the original error, which may say that memory ran out
            raise
        finally:
            del failure  # a reference cycle with this frame would keep the tensors of the step
        return graph, _detached(losses)


def _leave_capture(*generators: torch.Generator) -> None:
    """Resets generators that a failed capture leaves in capturing state before PyTorch 2.12."""
    for generator in generators:
        with suppress(RuntimeError):
            fresh = torch.Generator(generator.device)
            fresh.set_state(generator.get_state())
            generator.graphsafe_set_state(fresh)


def _detached(losses: Losses) -> Losses:
    return Losses(losses.total.detach(), {level: loss.detach() for level, loss in losses.levels.items()})
