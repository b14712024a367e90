"""What kernels are told of shapes."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import accumulate
from typing import Any

import torch
import triton
from torch import Tensor


def row_sizes(width: int) -> dict[str, Any]:
    """What a kernel of rows of ``width`` is compiled for."""
    wide = max(16, triton.next_power_of_2(width))
    return {"D": width, "WIDE": wide, "num_warps": min(8, max(1, wide // 128))}


@lru_cache(maxsize=32)
def first_tokens(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Each granularity's first token, and the number of all: int32 (G + 1,), which must not be written to."""
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)


@cache
def multiprocessors() -> int:
    """How many the current GPU has."""
    return int(torch.cuda.get_device_properties(torch.cuda.current_device()).multi_processor_count)


@cache
def shared_memory() -> int:
    """Bytes of it that a program can have."""
    properties: Any = torch.cuda.get_device_properties(torch.cuda.current_device())
    return int(properties.shared_memory_per_block_optin)
