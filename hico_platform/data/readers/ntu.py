"""NTU RGB+D 60 and 120: a folder with one ``.skeleton`` file a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.readers._base import Item, ReadOptions, ReadPlan, clean
from hico_platform.data.sequence import MissingJoint, Sequence
from hico_platform.data.skeleton_file import SUFFIX, BodyOrder, SkeletonName, read_skeleton
from hico_platform.errors import DataError, Problem, reason

_NAME_RULE = "a name like SsssCcccPpppRrrrAaaa.skeleton"
_NAME_REMEDY = "restore its name, which says setup, camera, performer, repetition and action"
_LIST_REMEDY = "give the list of missing skeletons that comes with the dataset"


@dataclass(frozen=True, kw_only=True)
class NTU:
    """A folder of ``.skeleton`` files; folders inside it are searched too."""

    dataset: str
    folder: Path
    class_names: tuple[str, ...]
    missing: Path | None
    bodies: BodyOrder
    layout: Layout = KINECT_V2
    coordinates: int = 3
    normalised: bool = False
    missing_joint: MissingJoint = MissingJoint.ZERO
    protocols: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> ReadPlan:
        """One item a file, by name; files with other names, or of an action not in this dataset, become problems."""
        left_out = read_missing(self.missing) if self.missing else frozenset()
        items, problems, skipped = [], [], 0
        for file in sorted(self.folder.rglob(f"*{SUFFIX}"), key=lambda file: (file.stem, str(file))):
            name = SkeletonName.parse(file.stem)
            if name is None:
                problems.append(
                    Problem(file=file, rule=_NAME_RULE, value=file.name, remedy=_NAME_REMEDY)
                )  # fmt: skip
            elif not 1 <= name.action <= len(self.class_names):
                problems.append(
                    Problem(file=file, field="label", rule=f"an action of {self.dataset}, 1 to "
                            f"{len(self.class_names)}", value=name.action,
                            remedy="use --format ntu120 for the actions from 61")
                )  # fmt: skip
            elif file.stem in left_out:
                skipped += 1
            else:
                items.append(Item(file=file))
        if not items and not problems:
            raise DataError(
                Problem(file=self.folder, rule="a folder of .skeleton files", remedy="give the folder of the files")
            )
        return ReadPlan(items=items, problems=problems, left_out=skipped)

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The one sequence of a file."""
        name = SkeletonName.parse(item.file.stem)
        if name is None:
            raise DataError(Problem(file=item.file, rule=_NAME_RULE, value=item.file.name, remedy=_NAME_REMEDY))
        read = read_skeleton(item.file, bodies=self.bodies)
        counts = 1 if read.pose.shape[1] else 2  # line 1 counts the frames, line 2 the bodies of the first
        yield Sequence(
            name=str(name),
            label=name.action - 1,
            pose=clean(read.pose, file=item.file, line=counts, missing=self.missing_joint),
            metadata=name.metadata(),
            remarks=read.remarks,
        )


def open_ntu60(raw: Path, options: ReadOptions) -> NTU:
    """The folder of NTU RGB+D 60. Raises DataError if there is none."""
    return _open(raw, options, dataset="ntu60", actions=60)


def open_ntu120(raw: Path, options: ReadOptions) -> NTU:
    """The folder of NTU RGB+D 120. Raises DataError if there is none."""
    return _open(raw, options, dataset="ntu120", actions=120)


def read_missing(file: Path) -> frozenset[str]:
    """The names in a list of sequences to exclude; other lines, such as a header, are ignored.

    Raises DataError if the file cannot be read or has no name.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(Problem(file=file, rule="a text file", value=reason(error), remedy=_LIST_REMEDY)) from None
    stems = (line.strip().removesuffix(SUFFIX) for line in lines)
    names = frozenset(stem for stem in stems if SkeletonName.parse(stem))
    if not names:
        raise DataError(
            Problem(file=file, rule="a list of names like S001C002P005R002A008, one a line", remedy=_LIST_REMEDY)
        )
    return names


def _open(raw: Path, options: ReadOptions, *, dataset: str, actions: int) -> NTU:
    if not raw.is_dir():
        raise DataError(Problem(file=raw, rule="a folder", remedy="give the folder of the .skeleton files"))
    return NTU(
        dataset=dataset,
        folder=raw,
        class_names=tuple(f"A{action:03d}" for action in range(1, actions + 1)),
        missing=options.missing,
        bodies=options.bodies,
    )


def recognises_ntu60(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of NTU RGB+D 60, None if nothing does."""
    found = next((file for file, _ in _named(raw)), None)
    return None if found is None or recognises_ntu120(raw, options) else found.name


def recognises_ntu120(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of NTU RGB+D 120: an action or a setup that NTU RGB+D 60 does not have."""
    return next((file.name for file, name in _named(raw) if name.action > 60 or name.setup > 17), None)


def _named(raw: Path) -> Iterator[tuple[Path, SkeletonName]]:
    return ((file, name) for file in raw.rglob(f"*{SUFFIX}") if (name := SkeletonName.parse(file.stem)))
