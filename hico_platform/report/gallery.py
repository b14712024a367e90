"""Retrieval as a picture: some queries, each beside the training sequences that are nearest to it, as skeletons."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.draw import draw_skeleton
from hico_platform.data.store import Store
from hico_platform.report.picture import RIGHT, WRONG, picture, plain, png, short

NEIGHBOURS = 5
QUERIES_OF_A_KIND = 3


@dataclass(frozen=True, kw_only=True)
class GalleryRow:
    """A sequence of the store that was asked with, and its nearest training sequences, the nearest first."""

    query: int
    neighbours: tuple[int, ...]


def choose_queries(right: npt.NDArray[np.bool_], *, seed: int) -> list[int]:
    """Positions in ``right`` (q,): up to three that are right, then up to three that are wrong, as ``seed`` draws."""
    order = np.random.default_rng(seed).permutation(len(right))
    return [int(i) for kind in (True, False) for i in order[right[order] == kind][:QUERIES_OF_A_KIND]]


def draw_gallery(rows: Sequence[GalleryRow], store: Store, *, title: str, seed: int) -> bytes:
    """A PNG of the middle frame of each query and of its neighbours; the caption says how queries were chosen.

    Raises ClosedTestSplitError for sequences that may not be read.
    """
    caption = (
        f"Queries: as seed {seed} draws them, up to {QUERIES_OF_A_KIND} whose nearest training sequence has their "
        f"class (above), then up to {QUERIES_OF_A_KIND} where it has another. Each is followed by its nearest training "
        "sequences by cosine, the nearest first. Solid green frame: the query's class; dashed red: another. Middle "
        "frame of each recording."
    )
    height = 1.1 + 2.0 * len(rows)
    figure = picture(height_inches=height)
    figure.suptitle(plain(title), fontsize=12)
    figure.supxlabel("\n".join(textwrap.wrap(plain(caption), width=150)), fontsize=9, x=0.01, ha="left")
    columns = 1 + max(len(row.neighbours) for row in rows)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for across, row in zip(axes, rows, strict=True):
        truth = int(store.labels[row.query])
        _cell(across[0], store, row.query, heading="query: ")
        for axis, neighbour in zip(across[1:], row.neighbours, strict=False):
            _cell(axis, store, neighbour)
            _frame(axis, right=int(store.labels[neighbour]) == truth)
        for axis in across[1 + len(row.neighbours) :]:
            axis.axis("off")
    return png(figure)


def _cell(axis: Any, store: Store, i: int, heading: str = "") -> None:
    pose = store.pose(i)
    draw_skeleton(axis, store, pose, len(pose) // 2)
    _square(axis)
    axis.set_title(heading + short(store.class_names[store.labels[i]], most=24 - len(heading)), fontsize=9)


def _square(axis: Any) -> None:
    """Limits that hold the frame which is drawn, as wide as high, so that all boxes are of one size."""
    box = axis.dataLim
    if not np.isfinite(box.get_points()).all():  # nothing is drawn
        return
    reach = 0.55 * max(box.width, box.height) or 1.0
    axis.set_xlim((box.x0 + box.x1) / 2 - reach, (box.x0 + box.x1) / 2 + reach)
    axis.set_ylim((box.y0 + box.y1) / 2 - reach, (box.y0 + box.y1) / 2 + reach)


def _frame(axis: Any, *, right: bool) -> None:
    from matplotlib.patches import Rectangle

    axis.add_patch(
        Rectangle(
            (0, 0),
            1,
            1,
            transform=axis.transAxes,
            fill=False,
            edgecolor=RIGHT if right else WRONG,
            linestyle="solid" if right else "dashed",
            linewidth=2.5,
            clip_on=False,
        )
    )
