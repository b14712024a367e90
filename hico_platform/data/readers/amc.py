"""A folder of AMC files, one a recording, and their skeletons. Without a map they are unlabelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hico_platform.data.amc_file import amc_layout, read_amc
from hico_platform.data.layout import Layout
from hico_platform.data.readers import table
from hico_platform.data.readers._base import ReadOptions
from hico_platform.data.sequence import Unit
from hico_platform.data.table_map import AMCFile, TableMap
from hico_platform.errors import DataError, Problem, UsageError

_MAP = TableMap(content=AMCFile(), files="*.amc", unit=Unit.IN)
_MOST_TRIED = 20


def open_source(raw: Path, options: ReadOptions) -> table.TableReader:
    """The folder, or the one file, at ``raw``; joints are found by the names of the layout."""
    return table.open_source(raw, _with_map(options))


def own_layout(raw: Path, options: ReadOptions) -> Layout:
    """The skeleton of the first file that can be read. Raises DataError if none of the first can."""
    problems: list[Problem] = []
    for item in open_source(raw, options).plan().items[:_MOST_TRIED]:
        try:
            return amc_layout(read_amc(item.file).bones, item.file)
        except DataError as error:
            problems.extend(error.problems)
    raise DataError(problems)


def _with_map(options: ReadOptions) -> ReadOptions:
    if options.map is not None and not isinstance(options.map.content, AMCFile):
        raise UsageError(
            Problem(field="map", rule="a map of AMC files beside --format amc", remedy="write amc: {} in it")
        )
    return replace(options, map=options.map or _MAP)


def recognises(raw: Path, options: ReadOptions) -> str | None:
    """What says that ``raw`` is of this format, None if nothing does."""
    if options.map is not None and not isinstance(options.map.content, AMCFile):
        return None
    found = raw if raw.suffix == ".amc" else next(raw.rglob("*.amc"), None)
    return None if found is None else found.name
