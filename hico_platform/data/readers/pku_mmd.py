"""PKU-MMD I and II: for each video a text file of frames, and one of label rows, which cut it into sequences.

A skeleton line is a frame: 2 bodies x 25 joints x 3. A label row is ``class,start,end,confidence``, frames counted
from 1 and both ends included: the sequence is [start-1:end]. A row that ends after the video is cut at its end; one
that starts at frame 0, as three of part I do, is cut from the first frame.
"""

from __future__ import annotations

import io
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.file_kind import file_kind
from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.readers._base import Item, ReadOptions, ReadPlan, clean
from hico_platform.data.readers.pku_split_file import (
    CAMERAS,
    EXAMPLES,
    VIDEO_NAMES,
    SplitFile,
    dataset_of,
    is_split,
    read_split_file,
)
from hico_platform.data.readers.split_parts import plain_rule
from hico_platform.data.sequence import MOST_METRES, MissingJoint, Sequence
from hico_platform.data.text_numbers import is_number, parse_numbers
from hico_platform.data.whole_number import whole_number_of_text
from hico_platform.errors import DataError, Problem

_CLASSES = 51
_BODIES = 2
_JOINTS = 25
_FIELDS = _BODIES * _JOINTS * 3
_SNIFFED_BYTES = 4096
_MOST_BYTES = 24 * 2**20  # four minutes at 30 frames a second are about 10 MiB
_VIDEOS_A_CHUNK = 4  # each has about twenty sequences
_MOST_TIMES = 10  # label rows overlap sometimes, so their total length may exceed the video's
_MOST_LIST_BYTES = 2**20  # the label rows of a video, or a split, have a few kilobytes
_AT_ZERO = "label rows that start at frame 0, cut from the first frame"
_UNLISTED = "sequences that no split file lists"


@dataclass(frozen=True, kw_only=True)
class PKUMMD:
    """A folder with the skeleton, label and split files of one part, in any subfolders."""

    dataset: str
    folder: Path
    protocols: Mapping[str, Any]
    class_names: tuple[str, ...] = tuple(str(number) for number in range(1, _CLASSES + 1))
    layout: Layout = KINECT_V2
    coordinates: int = 3
    normalised: bool = False
    missing_joint: MissingJoint = MissingJoint.ZERO

    def plan(self) -> ReadPlan:
        """One item a video; a video without labels, and labels without a video, become problems."""
        found = _files(self.folder, self.dataset)
        skeletons, labels = found.skeletons, found.labels
        splits = [split for split in found.splits if split.dataset == self.dataset]
        items, problems = [], []
        for stem in sorted(skeletons):
            if stem not in labels:
                problems.append(
                    Problem(file=skeletons[stem], rule="a file of label rows of the same name as this video",
                            remedy="put the label folder beside the skeletons")
                )  # fmt: skip
                continue
            parts = {f"split_{split.protocol}": split.parts.get(stem) for split in splits}
            items.append(Item(file=skeletons[stem], value=(labels[stem], parts), reads=(skeletons[stem], labels[stem])))
        for stem in sorted(set(labels) - set(skeletons)):
            problems.append(
                Problem(file=labels[stem], rule="a video of the same name as these label rows",
                        remedy="put the skeleton folder beside the labels")
            )  # fmt: skip
        if not items:
            others = [name for name, count in found.others.items() if count]
            remedy = "give the folder that holds skeletons and labels"
            raise DataError(
                [Problem(file=self.folder, rule=f"a folder with videos of {self.dataset} and labels, named like "
                         f"{EXAMPLES[self.dataset]}.txt", value=f"videos of {others[0]}" if others else None,
                         remedy=f"use --format {others[0]}" if others else remedy),
                 *problems[:20]]
            )  # fmt: skip
        return ReadPlan(items=items, problems=problems, items_a_chunk=_VIDEOS_A_CHUNK, remarks=_not_read(found, self))

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The sequences of a video, one for each label row."""
        labels, parts = item.value
        frames = _read_frames(item.file)  # (T, M, J, C)
        video, view = item.file.stem.rsplit("-", 1)
        cut_frames = 0
        for line, text in enumerate(_text(labels).split("\n"), start=1):
            if not text.strip():
                continue
            try:
                label, first, end, confidence = _row(text, len(frames), file=labels, line=line)
                start = max(first, 1)
                cut_frames += end - start + 1
                if cut_frames > _MOST_TIMES * len(frames):
                    raise _wrong_row(f"rows that are together at most {_MOST_TIMES} times as long as the video",
                                     cut_frames, labels, line)  # fmt: skip
                pose = clean(frames[start - 1 : end], file=labels, line=line, missing=self.missing_joint)
            except DataError as error:
                yield from error.problems
                continue
            metadata = {"video": video, "camera": CAMERAS[view], "start": start, "confidence": confidence}
            remarks = {_AT_ZERO: int(first == 0), _UNLISTED: int(not any(parts.values()))}
            yield Sequence(name=f"{item.file.stem}.{line:03d}", label=label, pose=pose, metadata=metadata | parts,
                           remarks={remark: count for remark, count in remarks.items() if count})  # fmt: skip


def open_part_1(raw: Path, options: ReadOptions) -> PKUMMD:
    """The folder of PKU-MMD I. Raises DataError if it is not one, or a split file is unreadable."""
    return _open(raw, dataset="pku-mmd-1")


def open_part_2(raw: Path, options: ReadOptions) -> PKUMMD:
    """The folder of PKU-MMD II. Raises DataError if it is not one, or a split file is unreadable."""
    return _open(raw, dataset="pku-mmd-2")


def _open(raw: Path, *, dataset: str) -> PKUMMD:
    if not raw.is_dir():
        raise DataError(Problem(file=raw, rule="a folder", remedy="give the folder of skeletons and labels"))
    protocols: dict[str, Any] = {}
    files: dict[str, SplitFile] = {}
    for split in _files(raw, dataset).splits:
        if split.dataset != dataset:
            continue
        if files.setdefault(split.protocol, split).parts != split.parts:
            raise DataError(
                Problem(file=split.file, rule=f"one split for the protocol {split.protocol}",
                        value=f"another one in {files[split.protocol].file}", remedy="remove or rename one of them")
            )  # fmt: skip
        protocols[split.protocol] = plain_rule(f"split_{split.protocol}", set(split.parts.values()))
    return PKUMMD(dataset=dataset, folder=raw, protocols=protocols)


@dataclass(frozen=True, kw_only=True)
class _Files:
    """What a folder holds for one part of PKU-MMD, and of the other part."""

    skeletons: dict[str, Path]
    """Of this part, by name."""
    labels: dict[str, Path]
    splits: list[SplitFile]
    """Of both parts."""
    others: dict[str, int]
    """The number of skeleton and label files of the other part, which are not read."""


def _files(folder: Path, dataset: str) -> _Files:
    """The files of a part: by their names, and skeletons and labels by their folder, or else by their first line."""
    skeletons: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    splits: list[SplitFile] = []
    others = dict.fromkeys(VIDEO_NAMES.keys() - {dataset}, 0)
    for file in sorted(folder.rglob("*.txt")):
        if not file.is_file():
            continue
        folders = "/".join(file.relative_to(folder).parts[:-1]).lower()
        named = dataset_of(file.stem)
        if named is None:
            if is_split(_first_line(file)):
                splits.append(read_split_file(file, _text(file)))
        elif named != dataset:
            others[named] += 1
        elif "label" in folders or ("skeleton" not in folders and b"," in _first_line(file)):
            labels.setdefault(file.stem, file)
        else:
            skeletons.setdefault(file.stem, file)
    return _Files(skeletons=skeletons, labels=labels, splits=splits, others=others)


def _not_read(found: _Files, source: PKUMMD) -> dict[str, int]:
    """What the folder holds of the other part, for the report."""
    splits = [split.dataset for split in found.splits if split.dataset != source.dataset]
    counts = {f"files of {name}, not read": count for name, count in found.others.items()}
    counts |= {f"split files of {name}, not read": splits.count(name) for name in splits}
    return {what: count for what, count in counts.items() if count}


def _first_line(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_SNIFFED_BYTES).removeprefix(BOM_UTF8).lstrip().split(b"\n", 1)[0]


def _row(text: str, num_frames: int, *, file: Path, line: int) -> tuple[int, int, int, int]:
    """Label, start, end and confidence of a row."""

    def wrong(rule: str, value: object = text.strip()[:60]) -> DataError:
        return _wrong_row(rule, value, file, line)

    cells = [whole_number_of_text(cell.strip()) for cell in text.split(",")]
    match cells:
        case [int(number), int(start), int(end), int(confidence)]:
            pass
        case _:
            raise wrong("a label row of four whole numbers: class,start,end,confidence")
    if not 1 <= number <= _CLASSES:
        raise wrong(f"a class, 1 to {_CLASSES}", number)
    if end < max(start, 1):
        raise wrong("a row that ends after it starts")
    if not 0 <= start <= num_frames:
        raise wrong(f"a row that starts within the video, frame 1 to {num_frames}")
    return number - 1, start, min(end, num_frames), confidence


def _wrong_row(rule: str, value: object, file: Path, line: int) -> DataError:
    return DataError(Problem(file=file, line=line, rule=rule, value=value, remedy="correct the row, which is left out"))


def _text(file: Path) -> str:
    size = file.stat().st_size
    if size > _MOST_LIST_BYTES:
        raise DataError(
            Problem(file=file, rule=f"a file of label rows or of a split of at most {_MOST_LIST_BYTES} bytes",
                    value=size, remedy="get the file again")
        )  # fmt: skip
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        kind = file_kind(file)
        raise DataError(
            Problem(file=file, line=1, rule="a text file in UTF-8", value=kind.name if kind else None,
                    remedy=(kind.remedy if kind else None) or "get the file again")
        ) from None  # fmt: skip


def _read_frames(file: Path) -> npt.NDArray[np.float64]:
    """All frames of a video, (T, M, J, C)."""
    size = file.stat().st_size
    if size > _MOST_BYTES:
        raise DataError(
            Problem(file=file, rule=f"a video's file of at most {_MOST_BYTES} bytes", value=size,
                    remedy="get the file again")
        )  # fmt: skip
    data = file.read_bytes().removeprefix(BOM_UTF8)
    text = parse_numbers(data)
    if text is not None and np.isin(text.tokens, (0, _FIELDS)).all() and _within_reach(text.values):
        return text.values.reshape(-1, _BODIES, _JOINTS, 3)
    frames = _frames_by_line(data, file)
    return np.array(frames, np.float64).reshape(-1, _BODIES, _JOINTS, 3)


def _within_reach(values: npt.NDArray[np.float64]) -> bool:
    return bool(values.min() >= -MOST_METRES and values.max() <= MOST_METRES)  # False if any is NaN


def _frames_by_line(data: bytes, file: Path) -> list[list[float]]:
    """The same line by line, which is slower; raises an error that names the first wrong line."""

    def wrong_at(line: int, rule: str, value: object = None) -> DataError:
        return DataError(
            Problem(file=file, line=line, rule=rule, value=value, remedy="get the file again: it is damaged")
        )

    frames = []
    for line, raw in enumerate(io.BytesIO(data), start=1):
        fields = raw.decode("utf-8", "replace").split()
        for field in fields:
            if not is_number(field) or not np.isfinite(float(field)):
                raise wrong_at(line, "a coordinate that is a finite number", field[:40])
            if abs(float(field)) > MOST_METRES:
                raise wrong_at(line, f"a coordinate within {MOST_METRES:g} metres", field[:40])
        if fields and len(fields) != _FIELDS:
            raise wrong_at(line, f"a frame of {_FIELDS} numbers", len(fields))
        if fields:
            frames.append([float(field) for field in fields])
    if not frames:
        raise wrong_at(1, "a video of at least one frame")
    return frames


def recognises_part_1(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of PKU-MMD I, None if nothing does."""
    return next((file.name for file in raw.rglob("*.txt") if dataset_of(file.stem) == "pku-mmd-1"), None)


def recognises_part_2(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of PKU-MMD II, None if nothing does."""
    return next((file.name for file in raw.rglob("*.txt") if dataset_of(file.stem) == "pku-mmd-2"), None)
