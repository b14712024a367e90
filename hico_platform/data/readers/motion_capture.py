"""BVH and AMC: folders of motion capture, one recording a file. The files hold their skeleton, so no map is asked for.

Without a map recordings are unlabelled and named after their paths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hico_platform.data.amc_file import amc_layout, read_amc
from hico_platform.data.bvh_file import bvh_layout, read_bvh
from hico_platform.data.layout import Layout
from hico_platform.data.readers import table
from hico_platform.data.readers._base import ReadOptions
from hico_platform.data.sequence import Unit
from hico_platform.data.table_map import AMCFile, BVHFile, TableMap
from hico_platform.errors import DataError, Problem, UsageError

_MOST_TRIED = 20


@dataclass(frozen=True, kw_only=True)
class MotionCapture:
    """A format whose files describe their own skeleton."""

    name: str
    """Of the format, of its key in a map, and, after a dot, of its files."""
    usual_map: TableMap
    layout_of: Callable[[Path], Layout]
    """The skeleton of a file."""

    def open_source(self, raw: Path, options: ReadOptions) -> table.TableReader:
        """The folder, or the one file, at ``raw``; joints are found by the names of the layout."""
        if options.map is not None and not self._is_of(options.map):
            raise UsageError(
                Problem(field="map", rule=f"a map of {self.name.upper()} files beside --format {self.name}",
                        remedy=f"write {self.name}: {{}} in it")
            )  # fmt: skip
        return table.open_source(raw, replace(options, map=options.map or self.usual_map))

    def own_layout(self, raw: Path, options: ReadOptions) -> Layout:
        """The skeleton of the first file that can be read. Raises DataError if none of the first can."""
        problems: list[Problem] = []
        for item in self.open_source(raw, options).plan().items[:_MOST_TRIED]:
            try:
                return self.layout_of(item.file)
            except DataError as error:
                problems.extend(error.problems)
        raise DataError(problems)

    def recognises(self, raw: Path, options: ReadOptions) -> str | None:
        """What says that ``raw`` is of this format, None if nothing does."""
        if options.map is not None and not self._is_of(options.map):
            return None
        suffix = f".{self.name}"
        found = raw if raw.suffix == suffix else next(raw.rglob(f"*{suffix}"), None)
        return None if found is None else found.name

    def _is_of(self, table_map: TableMap) -> bool:
        return isinstance(table_map.content, type(self.usual_map.content))


BVH = MotionCapture(
    name="bvh",
    usual_map=TableMap(content=BVHFile(), files="*.bvh"),
    layout_of=lambda file: bvh_layout(read_bvh(file).joints, file),
)
AMC = MotionCapture(
    name="amc",
    usual_map=TableMap(content=AMCFile(), files="*.amc", unit=Unit.IN),
    layout_of=lambda file: amc_layout(read_amc(file).bones, file),
)
