"""Readers, one file a format; adding a format is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from hico_platform.data.layout import Layout
from hico_platform.data.normalise import Normalisation
from hico_platform.data.readers import (
    ctrgcn,
    hico,
    kinetics,
    manifest,
    ntu,
    pku_mmd,
    pyskl,
    stgcn,
    table,
    ucla,
)
from hico_platform.data.readers._base import Item, ReadOptions, ReadPlan, Source, clean
from hico_platform.data.readers.motion_capture import AMC, BVH
from hico_platform.data.readers.windows import Windows
from hico_platform.data.sequence import Unit
from hico_platform.errors import DataError, Problem, UsageError
from hico_platform.plug_in_names import PlugInGroup, plug_ins
from hico_platform.plug_ins import BrokenPlugInError, broken, loaded, skip_broken

_BY_ALL = ("class_names", "window", "stride")


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of raw data, and which of the ``ReadOptions`` apply to it."""

    opens: Callable[[Path, ReadOptions], Source]
    recognises: Callable[[Path, ReadOptions], str | None]
    """What in a folder or file says that it is of this format, None if nothing does; no file is read."""
    takes: tuple[str, ...]
    normalisation: Normalisation = Normalisation.YAW
    """How its recordings are normalised, unless the user says otherwise: docs/decisions/0014-normalisation.md."""
    asks_layout: bool = False
    """Whether such files may be of any layout, so that none is assumed."""
    unit: Unit = Unit.M
    """Of the coordinates in its files, where neither the user nor a map says it."""
    own_layout: Callable[[Path, ReadOptions], Layout] | None = None
    """The layout that the files themselves describe, which is used where none is named."""

    @property
    def bodies_measured(self) -> bool:
        """Whether the layout or the unit of such files can be wrong, so that an import looks at the bodies."""
        return "layout" in self.takes or "unit" in self.takes

    def unit_read(self, options: ReadOptions) -> Unit:
        """The unit in which its files are read."""
        return self.unit if options.unit is None and options.map is None else options.unit_read

    def __call__(self, raw: Path, options: ReadOptions) -> Source:
        """The dataset at ``raw``. Raises DataError if it is of another format, UsageError for a foreign option."""
        for name in (option.name for option in fields(options)):
            if name not in (*self.takes, *_BY_ALL) and getattr(options, name) != getattr(ReadOptions(), name):
                fitting = ", ".join(format_name for format_name, other in FORMATS.usable() if name in other.takes)
                raise UsageError(
                    Problem(field=name, rule=f"one of the formats {fitting} beside it", remedy="leave it out")
                )
        source = self.opens(raw, options)
        names = options.class_names or source.class_names
        if len(names) < len(source.class_names):
            raise DataError(
                Problem(field="class-names", rule=f"a name for each of the {len(source.class_names)} classes of {raw}",
                        value=len(names), remedy="give one name a line, that of label 0 first")
            )  # fmt: skip
        if names != source.class_names:
            source = replace(source, class_names=names)  # type: ignore[type-var]
        if options.window is None:
            return source
        return Windows(source=source, window=options.window, stride=options.stride or options.window)


_RELEASED = Normalisation.RELEASED  # so that results on these datasets compare with published ones
OWN: dict[str, Format] = {
    "ntu60": Format(
        opens=ntu.open_ntu60,
        recognises=ntu.recognises_ntu60,
        takes=("missing", "bodies", "normalisation"),
        normalisation=_RELEASED,
    ),
    "ntu120": Format(
        opens=ntu.open_ntu120,
        recognises=ntu.recognises_ntu120,
        takes=("missing", "bodies", "normalisation"),
        normalisation=_RELEASED,
    ),
    "pku-mmd-1": Format(
        opens=pku_mmd.open_part_1,
        recognises=pku_mmd.recognises_part_1,
        takes=("normalisation",),
        normalisation=_RELEASED,
    ),
    "pku-mmd-2": Format(
        opens=pku_mmd.open_part_2,
        recognises=pku_mmd.recognises_part_2,
        takes=("normalisation",),
        normalisation=_RELEASED,
    ),
    "pyskl": Format(
        opens=pyskl.open_source,
        recognises=pyskl.recognises,
        takes=("layout", "unit", "coordinates", "normalisation"),
        normalisation=_RELEASED,
    ),
    "ctrgcn": Format(
        opens=ctrgcn.open_source,
        recognises=ctrgcn.recognises,
        takes=("layout", "unit", "normalisation"),
        normalisation=_RELEASED,
    ),
    "hico": Format(opens=hico.open_source, recognises=hico.recognises, takes=("layout",), normalisation=_RELEASED),
    "stgcn": Format(
        opens=stgcn.open_source, recognises=stgcn.recognises, takes=("layout", "normalisation"), normalisation=_RELEASED
    ),
    "kinetics": Format(opens=kinetics.open_source, recognises=kinetics.recognises, takes=("normalisation",)),
    "ucla": Format(opens=ucla.open_source, recognises=ucla.recognises, takes=("normalisation",)),
    "table": Format(
        opens=table.open_source,
        recognises=table.recognises,
        takes=("layout", "map", "unit", "normalisation"),
        asks_layout=True,
    ),
    "bvh": Format(
        opens=BVH.open_source,
        recognises=BVH.recognises,
        takes=("layout", "map", "unit", "normalisation"),
        own_layout=BVH.own_layout,
    ),
    "amc": Format(
        opens=AMC.open_source,
        recognises=AMC.recognises,
        takes=("layout", "map", "unit", "normalisation"),
        own_layout=AMC.own_layout,
        unit=Unit.IN,
    ),
    "manifest": Format(
        opens=manifest.open_source,
        recognises=manifest.recognises,
        takes=("layout", "map", "unit", "coordinates", "normalisation"),
        asks_layout=True,
    ),
}


class _Formats(Mapping[str, Format]):
    """This package's formats, then those of other packages, which are loaded when they are asked for."""

    def __getitem__(self, name: str) -> Format:
        """A format by name; raises BrokenPlugInError for another package's that cannot be loaded."""
        if name in OWN:
            return OWN[name]
        if name not in plug_ins(PlugInGroup.READERS):
            raise KeyError(name)
        found = loaded(PlugInGroup.READERS, name)
        if isinstance(found, Format):
            return found
        raise broken(
            plug_ins(PlugInGroup.READERS)[name], TypeError(f"a Format is asked for, got {type(found).__name__}")
        )

    def __iter__(self) -> Iterator[str]:
        """Every name."""
        yield from OWN
        yield from (name for name in plug_ins(PlugInGroup.READERS) if name not in OWN)

    def __len__(self) -> int:
        """How many there are."""
        return sum(1 for _ in self)

    def usable(self) -> Iterator[tuple[str, Format]]:
        """Name and format of all that can be loaded; the others are left out, with a warning."""
        for name in self:
            try:
                yield name, self[name]
            except BrokenPlugInError as error:
                skip_broken(error)


FORMATS = _Formats()


def check_exists(raw: Path) -> None:
    """Raises DataError if there is nothing at ``raw``, which no format need explain."""
    if not raw.exists():
        raise DataError(Problem(file=raw, field="raw", rule="a file or folder that exists", remedy="check the path"))


def find_format(raw: Path, options: ReadOptions) -> tuple[str, str]:
    """The name of the format of a folder or file, and what in it says so.

    Raises DataError that lists the formats, if ``raw`` is of none of them or looks like several, or does not exist.
    """
    check_exists(raw)
    found = {name: why for name, one in FORMATS.usable() if (why := one.recognises(raw, options)) is not None}
    if found.keys() == {"manifest", "table"}:  # the manifest lists the files that the map reads
        del found["table"]
    if len(found) != 1:
        shown = ", ".join(f"{name} ({why})" for name, why in found.items()) or "none that is known"
        raise DataError(
            Problem(file=raw, field="format", rule="files of one format", value=shown,
                    remedy=f"name it by --format {' or '.join(found or FORMATS)}")
        )  # fmt: skip
    return next(iter(found.items()))


__all__ = [
    "FORMATS",
    "OWN",
    "Format",
    "Item",
    "ReadOptions",
    "ReadPlan",
    "Source",
    "check_exists",
    "clean",
    "find_format",
]
