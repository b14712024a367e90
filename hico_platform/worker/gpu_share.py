"""Holds a trial to its share of a GPU's memory, so that one that wants more fails by itself and no trial beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from hico_platform.errors import Problem, TrainingError
from hico_platform.search.gpu_sharing import memory_fraction
from hico_platform.train.guards import ran_out_of_memory

Limit = Callable[[float, torch.device], None]


def hold_to_share(
    gpus: float, device: torch.device, *, limit: Limit = torch.cuda.set_per_process_memory_fraction
) -> None:
    """Limits what PyTorch may hold of ``device`` in this process, for a trial with ``gpus`` of it (1 or more: whole).

    A process runs trials one after another, so the limit is set for each. On a CPU there is none.
    """
    if device.type == "cuda":
        limit(memory_fraction(gpus), device)


@contextmanager
def share_explained(gpus: float, device: torch.device) -> Iterator[None]:
    """Names the share in the error of a trial that ran out of memory on a GPU that it shares.

    Raises:
        TrainingError: it ran out of its share.
    """
    try:
        yield
    except TrainingError as error:
        cause = error.__cause__
        if device.type != "cuda" or gpus >= 1 or not (isinstance(cause, Exception) and ran_out_of_memory(cause)):
            raise
        raise TrainingError(
            Problem(
                field="resources.gpus",
                rule=f"a trial within its share of a GPU, {gpus:g} of the memory, of which PyTorch may hold "
                f"{memory_fraction(gpus):.1%} and the rest is for the process",
                value=str(cause).splitlines()[0],
                remedy="give a larger resources.gpus, or auto, or lower budget.batch_size, then model.hidden_width",
            )
        ) from cause
