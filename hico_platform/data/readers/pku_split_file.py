"""Split files of PKU-MMD: ``Training videos:``, a comma list, ``Validataion videos:`` (sic), a comma list.

The files of both parts have the same names, and are found under one folder or under the other part's name, so the part
of a file is told by the videos that it lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hico_platform.data.readers.split_parts import split_parts
from hico_platform.errors import DataError, Problem

VIDEO_NAMES = {"pku-mmd-1": r"\d{4}", "pku-mmd-2": r"A\d{2}N\d{2}"}
"""Regular expression of a video's name without its view, for each part of the dataset."""

EXAMPLES = {"pku-mmd-1": "0002-L", "pku-mmd-2": "A01N01-L"}
"""A video with its view, for messages."""

CAMERAS = {"L": 1, "M": 2, "R": 3}

_CUT_NAME = re.compile(rf"({'|'.join(VIDEO_NAMES.values())})-([LMR])(?:\.txt)?_[0-9]+")
_HEADINGS = {"Training": "train", "Valid": "val", "Test": "test"}  # the published files have "Validataion"
_SUFFIXES = (".txt", ".skeleton")


@dataclass(frozen=True, kw_only=True)
class SplitFile:
    """A split file as it is written."""

    file: Path
    dataset: str
    protocol: str
    parts: dict[str, str]
    """The part of each video and view: train, val or test."""


def is_split(first_line: bytes) -> bool:
    """Whether a file that begins with this line is a split file."""
    return first_line.startswith(b"Training videos")


def dataset_of(stem: str) -> str | None:
    """The part of PKU-MMD whose videos, such as ``0002-L`` or ``A01N01-L``, are named like this; None if neither."""
    return next((key for key, name in VIDEO_NAMES.items() if re.fullmatch(rf"{name}-[LMR]", stem)), None)


def cut_metadata(name: str) -> dict[str, int | str]:
    """Video and camera of a sequence that CMD, HaLP or PCM3 cut, such as ``0002-L.txt_3``; nothing for other names."""
    found = _CUT_NAME.fullmatch(name)
    return {"video": found[1], "camera": CAMERAS[found[2]]} if found else {}


def read_split_file(file: Path, text: str) -> SplitFile:
    """The split in ``text``. Raises DataError for an entry that is no video, or in two parts, or of another dataset."""
    stem = file.stem.lower()
    lists: dict[str, dict[str, int]] = {}  # heading's word, video, line
    listed: dict[str, int] | None = None
    for line, row in enumerate(text.split("\n"), start=1):
        heading = next((word for start, word in _HEADINGS.items() if row.lstrip().startswith(start)), None)
        if heading is not None:
            listed = lists.setdefault(heading, {})
        elif listed is not None:
            listed.update(dict.fromkeys(_videos(row), line))
    dataset = _dataset(file, lists)
    parts: dict[str, str] = {}
    for word, part in split_parts(lists).items():
        for video, line in lists[word].items():
            if parts.setdefault(video, part) != part:
                raise DataError(
                    Problem(file=file, line=line, rule="a video in one part alone, training or validation",
                            value=video, remedy="correct the split file")
                )  # fmt: skip
    protocol = "xsub" if "subject" in stem else "xview" if "view" in stem else stem
    return SplitFile(file=file, dataset=dataset, protocol=protocol, parts=parts)


def _videos(row: str) -> list[str]:
    cells = (cell.strip() for cell in row.split(","))
    return [next((cell.removesuffix(end) for end in _SUFFIXES if cell.endswith(end)), cell) for cell in cells if cell]


def _dataset(file: Path, lists: dict[str, dict[str, int]]) -> str:
    """The one part of PKU-MMD that a file lists videos of."""
    found: str | None = None
    for listed in lists.values():
        for video, line in listed.items():
            dataset = dataset_of(video)
            if dataset is None:
                raise DataError(
                    Problem(file=file, line=line, rule="the name of a video with its view, such as 0002-L or A01N01-L",
                            value=video[:60], remedy="name each video: patterns are not expanded")
                )  # fmt: skip
            if found not in (None, dataset):
                raise DataError(
                    Problem(file=file, line=line, rule=f"a video of {found}, as those before it", value=video,
                            remedy="make a split file for each part of PKU-MMD")
                )  # fmt: skip
            found = dataset
    if found is None:
        raise DataError(
            Problem(file=file, rule="a split file that lists videos", value=0,
                    remedy="name them, separated by commas, below the headings")
        )  # fmt: skip
    return found
