"""Cuts untrimmed recordings into sequences: by windows that slide over them, or by the frames that a row names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.layout import Layout
from hico_platform.data.readers._base import Item, ReadPlan, Source
from hico_platform.data.sequence import Metadata, MissingJoint, Sequence
from hico_platform.data.whole_number import whole_number
from hico_platform.errors import DataError, Problem

WINDOW_SUFFIX = re.compile(r"\.w[0-9]{6,}$")
"""What the name of a window adds to that of its recording."""
RECORDING = "recording"
"""Metadata column of rows that are cut from a recording, where the column ``video`` means something else."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """A source whose recordings are cut into windows of ``window`` frames, one every ``stride`` frames."""

    source: Source
    window: int
    stride: int

    @property
    def dataset(self) -> str:
        """As of the source."""
        return self.source.dataset

    @property
    def layout(self) -> Layout:
        """As of the source."""
        return self.source.layout

    @property
    def class_names(self) -> tuple[str, ...]:
        """As of the source."""
        return self.source.class_names

    @property
    def protocols(self) -> Mapping[str, Any]:
        """As of the source."""
        return self.source.protocols

    @property
    def coordinates(self) -> int:
        """As of the source."""
        return self.source.coordinates

    @property
    def missing_joint(self) -> MissingJoint:
        """As of the source."""
        return self.source.missing_joint

    @property
    def normalised(self) -> bool:
        """As of the source."""
        return self.source.normalised

    def plan(self) -> ReadPlan:
        """As of the source."""
        return self.source.plan()

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The windows of an item's recordings, with their label; windows in which nobody is seen are left out.

        ``video`` in the metadata names the recording, so that its windows stay in one part of a split.
        """
        for found in self.source.read(item):
            if isinstance(found, Problem):
                yield found
                continue
            remarks = dict(found.remarks)
            for start in window_starts(len(found.pose), window=self.window, stride=self.stride):
                pose = found.pose[start : start + self.window]
                seen = np.nan_to_num(pose).any(axis=(0, 2, 3))  # (M,): a missing joint is NaN or zeros
                if not seen.any():
                    remarks["windows without anybody"] = remarks.get("windows without anybody", 0) + 1
                    continue
                metadata = {**found.metadata, "window": start}
                if metadata.get("video") is None:
                    metadata["video"] = found.name
                name = f"{found.name}.w{start:06d}"
                yield replace(found, name=name, pose=pose[:, seen], metadata=metadata, remarks=remarks)
                remarks = {}


def window_starts(frames: int, *, window: int, stride: int) -> list[int]:
    """The first frames of the windows, from 0; the last window ends with the recording. A short one is one window."""
    last = max(frames - window, 0)
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]


def cut(
    pose: npt.NDArray[Any], metadata: Metadata, *, video: str, file: Path, line: int | None
) -> tuple[npt.NDArray[Any], Metadata]:
    """The frames ``start`` to ``end`` (excluded) of a recording, counted from 0, as a row of labels says.

    The metadata gain ``video``, as for windows; where they have another one, ``RECORDING``. With neither value the
    recording is returned whole. Raises DataError if they are no frames of the recording.
    """
    if not {"start", "end"} <= metadata.keys():
        return pose, metadata
    own = {"video": video} if metadata.get("video") is None else {RECORDING: video}
    if metadata["start"] is None and metadata["end"] is None:
        return pose, {**metadata, **own}
    start, end = (whole_number(metadata[key]) for key in ("start", "end"))
    if start is None or end is None or not 0 <= start < end <= len(pose):
        raise DataError(
            Problem(file=file, line=line, field="start",
                    rule=f"a first and an end frame, within 0 to {len(pose)}, or neither",
                    value=f"{metadata['start']} to {metadata['end']}",
                    remedy="correct the row; rename the columns if they are no frames")
        )  # fmt: skip
    return pose[start:end], {**metadata, **own}


def cut_name(recording: str, metadata: Metadata) -> str:
    """The name of a row's sequence: that of its recording, with the frames if it is a part of it."""
    if metadata.get("start") is None or metadata.get("end") is None:
        return recording
    return f"{recording}.{metadata['start']}-{metadata['end']}"
