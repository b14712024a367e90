"""PKU-MMD I and II: for each video a text file of frames, and one of label rows, which cut it into sequences.

A skeleton line is a frame: 2 bodies x 25 joints x 3. A label row is ``class,start,end,confidence``, frames counted
from 1 and both ends included: the sequence is [start-1:end]. A row that ends after the video is cut at its end.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.readers._base import Item, ReadOptions, ReadPlan, clean
from hico_platform.data.sequence import MOST_METRES, MissingJoint, Sequence
from hico_platform.data.text_numbers import is_number, parse_numbers
from hico_platform.errors import DataError, Problem

_CLASSES = 51
_BODIES = 2
_JOINTS = 25
_FIELDS = _BODIES * _JOINTS * 3
_CAMERAS = {"L": 1, "M": 2, "R": 3}
_SNIFFED_BYTES = 4096
_MOST_BYTES = 24 * 2**20  # four minutes at 30 frames a second are about 10 MiB
_VIDEOS_A_CHUNK = 4  # each has about twenty sequences
_MOST_TIMES = 10  # label rows overlap sometimes, so their total length may exceed the video's
_MOST_LIST_BYTES = 2**20  # the label rows of a video, or a split, have a few kilobytes

Splits = dict[str, dict[str, str]]  # protocol, video-view, train or test


@dataclass(frozen=True, kw_only=True)
class PKUMMD:
    """A folder with the skeleton, label and split files of one part, in any subfolders."""

    dataset: str
    folder: Path
    name: str
    """Regular expression of a video's name without its view."""
    protocols: Mapping[str, Any]
    class_names: tuple[str, ...] = tuple(str(number) for number in range(1, _CLASSES + 1))
    layout: Layout = KINECT_V2
    normalised: bool = False
    missing_joint: MissingJoint = MissingJoint.ZERO

    def plan(self) -> ReadPlan:
        """One item a video; a video without labels, and labels without a video, become problems."""
        skeletons, labels, _ = _files(self.folder, self.name)
        splits = _read_splits(self.folder, self.name)
        items, problems = [], []
        for stem in sorted(skeletons):
            if stem not in labels:
                problems.append(
                    Problem(file=skeletons[stem], rule="a file of label rows of the same name as this video",
                            remedy="put the label folder beside the skeletons")
                )  # fmt: skip
                continue
            parts = {f"split_{name}": listed.get(stem) for name, listed in splits.items()}
            items.append(Item(file=skeletons[stem], value=(labels[stem], parts), reads=(skeletons[stem], labels[stem])))
        for stem in sorted(set(labels) - set(skeletons)):
            problems.append(
                Problem(file=labels[stem], rule="a video of the same name as these label rows",
                        remedy="put the skeleton folder beside the labels")
            )  # fmt: skip
        if not items:
            raise DataError(
                [Problem(file=self.folder, rule=f"a folder with videos of {self.dataset} and labels, named like "
                         f"{self.name}-L.txt", remedy="give the folder that holds skeletons and labels"),
                 *problems[:20]]
            )  # fmt: skip
        return ReadPlan(items=items, problems=problems, items_a_chunk=_VIDEOS_A_CHUNK)

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
                label, start, end, confidence = _row(text, len(frames), file=labels, line=line)
                cut_frames += end - start + 1
                if cut_frames > _MOST_TIMES * len(frames):
                    raise _wrong_row(f"rows that are together at most {_MOST_TIMES} times as long as the video",
                                     cut_frames, labels, line)  # fmt: skip
                pose = clean(frames[start - 1 : end], file=labels, line=line, missing=self.missing_joint)
            except DataError as error:
                yield from error.problems
                continue
            metadata = {"video": video, "camera": _CAMERAS[view], "start": start, "confidence": confidence}
            yield Sequence(name=f"{item.file.stem}.{line:03d}", label=label, pose=pose, metadata=metadata | parts)


def open_part_1(raw: Path, options: ReadOptions) -> PKUMMD:
    """The folder of PKU-MMD I. Raises DataError if it is not one, or a split file is unreadable."""
    return _open(raw, dataset="pku-mmd-1", name=r"\d{4}")


def open_part_2(raw: Path, options: ReadOptions) -> PKUMMD:
    """The folder of PKU-MMD II. Raises DataError if it is not one, or a split file is unreadable."""
    return _open(raw, dataset="pku-mmd-2", name=r"A\d{2}N\d{2}")


def _open(raw: Path, *, dataset: str, name: str) -> PKUMMD:
    if not raw.is_dir():
        raise DataError(Problem(file=raw, rule="a folder", remedy="give the folder of skeletons and labels"))
    protocols = {
        protocol: {"train": {f"split_{protocol}": "train"}, "test": {f"split_{protocol}": "test"}}
        for protocol in _read_splits(raw, name)
    }
    return PKUMMD(dataset=dataset, folder=raw, name=name, protocols=protocols)


def _files(folder: Path, name: str) -> tuple[dict[str, Path], dict[str, Path], list[Path]]:
    """Skeleton and label files by stem, and split files; recognised by folder, or else by their first line."""
    video = re.compile(rf"{name}-[LMR]")
    skeletons: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    splits: list[Path] = []
    for file in sorted(folder.rglob("*.txt")):
        if not file.is_file():
            continue
        folders = "/".join(file.relative_to(folder).parts[:-1]).lower()
        if not video.fullmatch(file.stem):
            if _first_line(file).startswith(b"Training videos"):
                splits.append(file)
        elif "label" in folders or ("skeleton" not in folders and b"," in _first_line(file)):
            labels.setdefault(file.stem, file)
        else:
            skeletons.setdefault(file.stem, file)
    return skeletons, labels, splits


def _first_line(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_SNIFFED_BYTES).lstrip().split(b"\n", 1)[0]


def _read_splits(folder: Path, name: str) -> Splits:
    """Train and test videos of each split file, by the protocol that the file name stands for."""
    splits: Splits = {}
    for file in _files(folder, name)[2]:
        stem = file.stem.lower()
        protocol = "xsub" if "subject" in stem else "xview" if "view" in stem else stem
        listed: dict[str, str] = {}
        part = None
        for line, text in enumerate(_text(file).split("\n"), start=1):
            if text.startswith("Training"):
                part = "train"
            elif text.startswith("Valid"):  # the published files have "Validataion"
                part = "test"
            elif part is not None:
                for video in filter(None, (cell.strip() for cell in text.split(","))):
                    if listed.setdefault(video, part) != part:
                        raise DataError(
                            Problem(file=file, line=line, rule="a video in one part alone, training or validation",
                                    value=video, remedy="correct the split file")
                        )  # fmt: skip
        splits[protocol] = listed
    return splits


def _row(text: str, num_frames: int, *, file: Path, line: int) -> tuple[int, int, int, int]:
    """Label, start, end and confidence of a row."""

    def wrong(rule: str, value: object = text.strip()[:60]) -> DataError:
        return _wrong_row(rule, value, file, line)

    cells = [cell.strip() for cell in text.split(",")]
    if len(cells) != 4 or not all(re.fullmatch(r"-?\d{1,9}", cell) for cell in cells):
        raise wrong("a label row of four whole numbers: class,start,end,confidence")
    number, start, end, confidence = map(int, cells)
    if not 1 <= number <= _CLASSES:
        raise wrong(f"a class, 1 to {_CLASSES}", number)
    if end < start:
        raise wrong("a row that ends after it starts")
    if not 1 <= start <= num_frames:
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
        raise DataError(Problem(file=file, line=1, rule="a text file", remedy="get the file again")) from None


def _read_frames(file: Path) -> npt.NDArray[np.float64]:
    """All frames of a video, (T, M, J, C)."""
    size = file.stat().st_size
    if size > _MOST_BYTES:
        raise DataError(
            Problem(file=file, rule=f"a video's file of at most {_MOST_BYTES} bytes", value=size,
                    remedy="get the file again")
        )  # fmt: skip
    data = file.read_bytes()
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
