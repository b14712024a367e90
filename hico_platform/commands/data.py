"""Datasets on the command line: prepare, describe, verify."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from hico_platform.config.layout_file import find_layout
from hico_platform.config.table_map_file import find_table_map
from hico_platform.data.describe import Description, describe
from hico_platform.data.draw import draw
from hico_platform.data.draw_layout import draw_layout
from hico_platform.data.fitting_layout import fitting_layout
from hico_platform.data.import_report import Report
from hico_platform.data.importing import import_dataset
from hico_platform.data.layouts import BUILT_IN, BuiltIn
from hico_platform.data.map_layout import map_store
from hico_platform.data.merge import Merged, merge
from hico_platform.data.normalise import Normalisation
from hico_platform.data.phases import DataPhase, OnPhase, nobody_waits
from hico_platform.data.readers import FORMATS, OWN, ReadOptions, check_exists, find_format
from hico_platform.data.readers.class_names import read_class_names
from hico_platform.data.remote import open_store
from hico_platform.data.sequence import Unit
from hico_platform.data.skeleton_file import BodyOrder
from hico_platform.data.store import Store
from hico_platform.data.verify import verify
from hico_platform.errors import Problem, UsageError

Progress = Callable[[int, int], None]

AUTO = "auto"
FORMAT_NAMES = (AUTO, *FORMATS)
BODY_ORDERS = tuple(each.value for each in BodyOrder)
NORMALISATIONS = tuple(each.value for each in Normalisation)
UNITS = tuple(each.value for each in Unit)
LAYOUT_CHOSEN = tuple(name for name, found in OWN.items() if found.asks_layout)
"""Formats without a usual layout: one is chosen where none is named."""


def open_dataset(location: Path | str, *, home: Path) -> Store:
    """The store at a folder, or at ``file://``, ``s3://`` or ``gs://`` through the cache under ``home``."""
    return open_store(location, cache=home / "cache")


def recognised_format(raw: Path, *, table_map: str | None) -> tuple[str, str]:
    """The format of raw files, and what in them says so; see ``find_format``."""
    return find_format(raw, ReadOptions(map=None if table_map is None else find_table_map(table_map)))


def prepare_dataset(
    *,
    format_name: str,
    raw: Path,
    out: Path,
    layout: str | None,
    unit: str | None,
    coordinates: int | None,
    table_map: str | None,
    window: int | None,
    stride: int | None,
    missing: Path | None,
    bodies: str,
    class_names: Path | None,
    normalisation: str | None,
    workers: int,
    strict: bool,
    accept_implausible: bool,
    progress: Progress | None,
    on_phase: OnPhase = nobody_waits,
) -> Report:
    """Turn raw skeleton files into a store; ``layout`` is a name or a YAML file, None for the format's usual one."""
    if workers < 1:
        raise UsageError(Problem(field="workers", rule="at least 1", value=workers, remedy="give another number"))
    for field, frames in (("window", window), ("stride", stride)):
        if frames is not None and frames < 1:
            raise UsageError(Problem(field=field, rule="at least 1 frame", value=frames, remedy="give another number"))
    if stride is not None and window is None:
        raise UsageError(Problem(field="window", rule="a number of frames beside --stride", remedy="give --window"))
    check_exists(raw)
    names = () if class_names is None else read_class_names(class_names)
    options = ReadOptions(
        missing=missing,
        bodies=BodyOrder(bodies),
        class_names=names,
        window=window,
        stride=stride,
        unit=None if unit is None else Unit(unit),
        coordinates=coordinates,
        normalisation=None if normalisation is None else Normalisation(normalisation),
    )
    if table_map is not None:
        columns = find_table_map(table_map)
        layout = layout or columns.layout
        options = replace(options, map=columns)
    if layout is not None:
        options = replace(options, layout=find_layout(layout))
    elif (own_layout := FORMATS[format_name].own_layout) is not None:
        options = replace(options, layout=own_layout(raw, options))
    elif FORMATS[format_name].asks_layout and coordinates == 2:
        raise UsageError(
            Problem(field="layout", rule="the layout of poses in an image, whose bones do not tell it",
                    remedy="give --layout coco, openpose-18, another name or a YAML file")
        )  # fmt: skip
    elif FORMATS[format_name].asks_layout:
        on_phase(DataPhase.LAYOUT)
        options = replace(options, layout=fitting_layout(raw, format_name=format_name, options=options))
    return import_dataset(
        raw,
        out,
        format_name=format_name,
        options=options,
        workers=workers,
        strict=strict,
        accept_implausible=accept_implausible,
        progress=progress,
        on_phase=on_phase,
    )


def show_layouts(name: str | None, *, picture: Path | None) -> list[BuiltIn]:
    """The built-in layouts, or the one of a name or a YAML file; that one is drawn to ``picture``.

    Raises ConfigError if there is no such layout, UsageError if none is named to draw or it cannot be drawn.
    """
    if name is None:
        if picture is not None:
            raise UsageError(Problem(field="draw", rule="the layout to draw", remedy="name one beside it"))
        return [*BUILT_IN.values()]
    layout = find_layout(name)
    known = BUILT_IN.get(layout.name)
    if picture is not None:
        draw_layout(layout, picture)
    if known is not None and known.layout == layout:
        return [known]
    return [BuiltIn(layout=layout, source=name)]


def describe_dataset(location: str, *, home: Path, picture: Path | None, count: int) -> tuple[Description, list[str]]:
    """What is in a store, and the names of the sequences drawn to ``picture``."""
    store = open_dataset(location, home=home)
    drawn = draw(store, picture, count=count) if picture is not None else []
    return describe(store), drawn


def merge_datasets(
    locations: Sequence[str],
    *,
    home: Path,
    out: Path,
    progress: Progress | None,
    on_phase: OnPhase = nobody_waits,
) -> Merged:
    """Merges the stores at ``locations`` into a new one at ``out``."""
    stores = [open_dataset(location, home=home) for location in locations]
    return merge(stores, out, progress=progress, on_phase=on_phase)


def map_dataset(
    location: str,
    *,
    layout: str,
    home: Path,
    out: Path,
    progress: Progress | None,
    on_phase: OnPhase = nobody_waits,
) -> dict[str, tuple[str, ...]]:
    """Maps the store at ``location`` to another layout; returns the joints that each new joint is made of."""
    store = open_dataset(location, home=home)
    made = map_store(store, find_layout(layout), out, progress=progress, on_phase=on_phase)
    return {joint: tuple(store.layout.joints[source] for source in sources) for joint, sources in made.items()}


def verify_dataset(location: str, *, home: Path, progress: Progress | None) -> list[Problem]:
    """What is wrong with a store; nothing where it is sound."""
    return verify(open_dataset(location, home=home), progress=progress)
