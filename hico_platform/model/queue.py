"""A queue of keys: a ring buffer whose oldest entries the newest replace."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class KeyQueue(nn.Module):
    """``keys`` (size, P), unit vectors, random at first.

    The write pointer wraps at ``wrap_at`` (the release wraps clip and part queues at K instead of G*K).
    """

    keys: Tensor
    pointer: Tensor

    def __init__(self, *, size: int, width: int, wrap_at: int) -> None:
        super().__init__()
        self.wrap_at = wrap_at
        self.register_buffer("keys", torch.zeros(size, width))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    def initialise(self, generator: torch.Generator) -> None:
        """Fills the queue with random unit vectors."""
        self.keys.copy_(normalize(torch.randn(self.keys.shape, generator=generator), dim=1))

    @torch.no_grad()
    def push(self, keys: Tensor) -> None:
        """Writes ``keys`` (n, P) at the pointer, in place; of more than fit, the last remain."""
        size = len(self.keys)
        count = len(keys)
        skipped = max(0, count - size)
        rows = torch.arange(skipped, count, device=keys.device) + self.pointer
        self.keys.index_copy_(0, rows % size, keys[skipped:].to(self.keys.dtype))
        self.pointer.copy_((self.pointer + count) % self.wrap_at)
