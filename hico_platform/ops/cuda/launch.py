"""How kernels are launched: block sizes, token offsets and what the GPU has."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import Any

import torch
import triton
from torch import Tensor

EXACT = "tf32x3"  # Triton's name for products whose operands are three TensorFloat-32 each: as exact as float32


def row_sizes(width: int) -> dict[str, Any]:
    """What a kernel of rows of ``width`` is compiled for."""
    wide = max(16, triton.next_power_of_2(width))
    return {"D": width, "BLOCK_D": wide, "num_warps": min(8, max(1, wide // 128))}


@cache  # without end: recorded steps read them
def first_tokens(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Each granularity's first token, and the number of all: int32 (G + 1,), which must not be written to."""
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)


def shared_memory() -> int:
    """Bytes of it that a program can have."""
    return int(_properties(torch.cuda.current_device()).shared_memory_per_block_optin)


@cache
def _properties(device: int) -> Any:
    return torch.cuda.get_device_properties(device)
