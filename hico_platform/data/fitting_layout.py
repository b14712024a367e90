"""The built-in layout that raw recordings are in, where the user names none: by number of joints and bone lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from hico_platform.data.layout import Layout
from hico_platform.data.layouts import RECORDED
from hico_platform.data.plausibility import BodyCheck, measure
from hico_platform.data.readers import FORMATS, ReadOptions
from hico_platform.data.sequence import Sequence, Unit
from hico_platform.errors import DataError, Problem, UsageError

_MOST_ITEMS = 32


def fitting_layout(raw: Path, *, format_name: str, options: ReadOptions) -> Layout:
    """The built-in layout whose bones fit some recordings of ``raw`` best, of those with as many joints.

    Where no built-in layout has as many joints, that of ``options``: the import then says what is wrong with each file.
    Raises UsageError if there are such layouts and none fits. Raises DataError if
    ``raw`` cannot be read at all, or holds scores in place of z.
    """
    recordings: list[Sequence] = []
    readable = options.layout
    for layout in {len(layout.joints): layout for layout in reversed(RECORDED.values())}.values():
        found = [*_recordings(raw, format_name, replace(options, layout=layout))]
        if len(found) > len(recordings):  # a few files may be of another number of joints by mistake
            recordings, readable = found, layout
    return _best(readable, recordings, options.unit_read) if recordings else options.layout


def _best(layout: Layout, recordings: list[Sequence], unit: Unit) -> Layout:
    check = BodyCheck(layout, unit)
    for recording in recordings:
        check.add(measure(recording.pose, layout))
    check.refuse_scores()
    if (name := check.best()) is not None:
        return RECORDED[name]
    alike = [other.name for other in RECORDED.values() if len(other.joints) == len(layout.joints)]
    raise UsageError(
        Problem(
            field="layout", rule="a layout, because these recordings do not tell theirs",
            value=f"{len(layout.joints)} joints whose bones fit none that is built in",
            remedy=f"give --layout with a YAML file or {' or '.join(alike)}",
        )
    )  # fmt: skip


def _recordings(raw: Path, format_name: str, options: ReadOptions) -> Iterator[Sequence]:
    """A recording of each of some items, spread over all; those that cannot be read are passed over."""
    source = FORMATS[format_name](raw, options)
    items = source.plan().items
    for i in np.unique(np.linspace(0, len(items) - 1, min(_MOST_ITEMS, len(items))).astype(int)):
        try:
            for found in islice(source.read(items[i]), 1):
                if isinstance(found, Sequence):
                    yield found
        except (DataError, OSError):
            continue
