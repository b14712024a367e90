"""Copies from the host to a device while it computes."""

from __future__ import annotations

import torch
from torch import Tensor


class Transfer:
    """Copies to ``device`` on a stream of their own; where that is the CPU, tensors stay as they are."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device, priority=-1) if device.type == "cuda" else None

    def empty(self, *shape: int) -> Tensor:
        """Float32 memory of the host that a copy can begin from at once."""
        return torch.empty(shape, pin_memory=self._stream is not None)

    def send(self, *tensors: Tensor) -> list[Tensor]:
        """Begins copies; what they give may be read after :meth:`wait`."""
        if self._stream is None:
            return list(tensors)
        with torch.cuda.stream(self._stream):
            pinned = (tensor if tensor.is_pinned() else tensor.pin_memory() for tensor in tensors)
            return [tensor.to(self.device, non_blocking=True) for tensor in pinned]

    def wait(self, *tensors: Tensor) -> None:
        """Has the computing stream wait for all copies, and tells the allocator who reads these."""
        if self._stream is None:
            return
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self._stream)
        for tensor in tensors:
            tensor.record_stream(computing)
