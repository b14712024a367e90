"""Views of stored sequences: random ones for pretraining, the centre crop for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from hico_platform.augment.frames import StoredPoses, centre_crop, crop_and_resize, random_crop
from hico_platform.augment.spatial import SpatialAugmentation, draw_matrices
from hico_platform.augment.streaming import StreamedPoses
from hico_platform.augment.streams import to_stream
from hico_platform.enums import Stream


class Views:
    """Makes views (N, T, M, J, C) of stored sequences, in batches and on the device where they lie.

    ``check`` raises where one of the sequences of which views are asked for may not be read; indices (n,) on the CPU.
    """

    def __init__(
        self,
        *,
        poses: StoredPoses | StreamedPoses,
        parents: Tensor,
        stream: Stream,
        frames: int,
        min_crop_ratio: float,
        min_crop_frames: int,
        spatial: SpatialAugmentation,
        check: Callable[[Tensor], None] | None = None,
    ) -> None:
        self.poses = poses
        self.parents = parents
        self.stream = stream
        self.frames = frames
        self.min_crop_ratio = min_crop_ratio
        self.min_crop_frames = min_crop_frames
        self.spatial = spatial
        self._check = check

    @property
    def resident(self) -> bool:
        """Whether all poses lie where views are made of them."""
        return isinstance(self.poses, StoredPoses)

    def check(self, indices: Tensor) -> None:
        """Raises ClosedTestSplitError if one of the sequences ``indices`` (n,) may not be read."""
        if self._check is not None:
            self._check(indices.cpu())

    def prefetch(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """The same batches of indices, each to be used before the next is asked for; poses are copied meanwhile."""
        return self.poses.prefetch(batches) if isinstance(self.poses, StreamedPoses) else iter(batches)

    def random(
        self, indices: Tensor, *, generator: torch.Generator, rows: slice | None = None, checked: bool = False
    ) -> Tensor:
        """One random view of each sequence of ``indices`` (N,): crop-resize, then a matrix on each joint.

        Views are drawn for all and made of ``rows`` alone (None: all), so a view does not depend on what else is made.
        ``checked``: :meth:`check` was asked about these sequences before; a check waits for the device.
        """
        if not checked:
            self.check(indices)
        poses = self.poses.take(indices)
        start, length = random_crop(
            poses.num_frames,
            min_ratio=self.min_crop_ratio,
            min_frames=self.min_crop_frames,
            generator=generator,
        )
        matrices = draw_matrices(
            len(indices),
            joints=poses.joints,
            coordinates=poses.coordinates,
            augmentation=self.spatial,
            generator=generator,
        )
        if rows is not None:
            poses, start, length, matrices = poses.take(rows), start[rows], length[rows], matrices[rows]
        augmented = crop_and_resize(poses, start, length, frames=self.frames, matrices=matrices)
        return to_stream(augmented, self.stream, parents=self.parents)

    def cropped(self, indices: Tensor, *, min_ratio: float, generator: torch.Generator) -> Tensor:
        """A random crop of each sequence of ``indices`` (N,), at least ``min_ratio`` of it, without augmentation."""
        self.check(indices)
        poses = self.poses.take(indices)
        start, length = random_crop(
            poses.num_frames, min_ratio=min_ratio, min_frames=self.min_crop_frames, generator=generator
        )
        cropped = crop_and_resize(poses, start, length, frames=self.frames)
        return to_stream(cropped, self.stream, parents=self.parents)

    def centre(self, indices: Tensor, *, share: float, alter: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """The middle ``share`` of each sequence of ``indices`` (N,), without augmentation.

        ``alter`` changes the joints (N, T, M, J, C) before bones or motion are made of them.
        """
        self.check(indices)
        poses = self.poses.take(indices)
        start, length = centre_crop(poses.num_frames, share=share)
        cropped = crop_and_resize(poses, start, length, frames=self.frames)
        return to_stream(cropped if alter is None else alter(cropped), self.stream, parents=self.parents)
