"""Poses of a dataset that does not fit a GPU: whole sequences travel, un-padded, while the step before computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import torch
from torch import Tensor

from hico_platform.augment.frames import StoredPoses
from hico_platform.ops.transfer import Transfer

PREFETCHED_BATCHES = 2


class StreamedPoses:
    """Stands for :class:`StoredPoses` that stay on the host; what is taken comes to ``device``.

    Crops are drawn on the device from whole sequences, so views are bit for bit those of a resident dataset.
    """

    def __init__(self, host: StoredPoses, *, device: torch.device) -> None:
        self.host = host
        self.joints = host.joints
        self._ready: tuple[Tensor, StoredPoses] | None = None
        self._transfer = Transfer(device)

    def take(self, indices: Tensor) -> StoredPoses:
        """Poses on the device of the sequences ``indices`` (n,); at once for the batch that ``prefetch`` is at."""
        if self._ready is not None and self._ready[0] is indices:
            return self._ready[1]
        return self._arrived(self._send(indices.cpu()))

    def prefetch(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """The same batches of indices; the next ones' poses are read, pinned and copied meanwhile."""
        batches = iter(batches)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="poses") as pool:
            waiting: deque[tuple[Tensor, Future[StoredPoses]]] = deque()
            try:
                while True:
                    for batch in islice(batches, PREFETCHED_BATCHES + 1 - len(waiting)):
                        waiting.append((batch, pool.submit(self._send, batch.cpu())))
                    if not waiting:
                        return
                    batch, sent = waiting.popleft()
                    self._ready = batch, self._arrived(sent.result())
                    yield batch
            finally:
                self._ready = None
                pool.shutdown(cancel_futures=True)

    def _send(self, indices: Tensor) -> StoredPoses:
        host = self.host.take(indices)
        row = host.joints * host.coordinates
        rows = host.num_frames * host.num_bodies  # (n,)
        first = rows.cumsum(0) - rows  # where each sequence begins in the batch, in rows
        within = torch.arange(int(rows.sum())) - first.repeat_interleave(rows)
        windows = host.values.as_strided((len(host.values) - row + 1, row), (1, 1))
        starts = host.offsets.repeat_interleave(rows) + within * row
        values = self._transfer.empty(len(starts), row)
        torch.index_select(windows, 0, starts, out=values)
        sent = self._transfer.send(values.flatten(), first * row, host.num_frames, host.num_bodies)
        return StoredPoses(
            values=sent[0],
            offsets=sent[1],
            num_frames=sent[2],
            num_bodies=sent[3],
            joints=host.joints,
            bodies=host.bodies,
            coordinates=host.coordinates,
        )

    def _arrived(self, poses: StoredPoses) -> StoredPoses:
        self._transfer.wait(poses.values, poses.offsets, poses.num_frames, poses.num_bodies)
        return poses
