"""A folder of BVH files, one a recording. Without a map they are unlabelled and named after their paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hico_platform.data.bvh_file import bvh_layout, read_bvh
from hico_platform.data.layout import Layout
from hico_platform.data.readers import table
from hico_platform.data.readers._base import ReadOptions
from hico_platform.data.table_map import BVHFile, TableMap
from hico_platform.errors import DataError, Problem, UsageError

_MAP = TableMap(content=BVHFile(), files="*.bvh")
_MOST_TRIED = 20


def open_source(raw: Path, options: ReadOptions) -> table.TableReader:
    """The folder, or the one file, at ``raw``; joints are found by the names of the layout."""
    return table.open_source(raw, _with_map(options))


def own_layout(raw: Path, options: ReadOptions) -> Layout:
    """The skeleton of the first file that can be read. Raises DataError if none of the first can."""
    problems: list[Problem] = []
    for item in open_source(raw, options).plan().items[:_MOST_TRIED]:
        try:
            return bvh_layout(read_bvh(item.file).joints, item.file)
        except DataError as error:
            problems.extend(error.problems)
    raise DataError(problems)


def _with_map(options: ReadOptions) -> ReadOptions:
    if options.map is not None and not isinstance(options.map.content, BVHFile):
        raise UsageError(
            Problem(field="map", rule="a map of BVH files beside --format bvh", remedy="write bvh: {} in it")
        )
    return replace(options, map=options.map or _MAP)


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does."""
    if options.map is not None and not isinstance(options.map.content, BVHFile):
        return None
    found = raw if raw.suffix == ".bvh" else next(raw.rglob("*.bvh"), None)
    return None if found is None else found.name
