from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from hico_platform.report import gallery as module
from hico_platform.report.gallery import GalleryRow, choose_queries, draw_gallery
from hico_platform.report.picture import RIGHT, WRONG
from tests.small import small_store


def test_right_queries_then_wrong_ones_as_the_seed_draws_them() -> None:
    right = np.arange(40) % 4 != 0
    chosen = choose_queries(right, seed=1)
    assert [bool(right[i]) for i in chosen] == [True] * 3 + [False] * 3
    assert len(set(chosen)) == 6
    assert chosen == choose_queries(right, seed=1)
    assert chosen != choose_queries(right, seed=2)
    assert len(choose_queries(np.ones(2, bool), seed=0)) == 2


@pytest.mark.slow
def test_frames_say_whether_a_neighbour_has_the_class_of_the_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    monkeypatch.setattr(module, "png", lambda figure: kept.append(figure) or b"")
    store = small_store(tmp_path / "store", count=12)
    same = int(np.flatnonzero(store.labels == store.labels[0])[1])
    rows = [GalleryRow(query=0, neighbours=(same, 1, 2)), GalleryRow(query=5, neighbours=(6,))]
    with warnings.catch_warnings(action="error"):
        draw_gallery(rows, store, title="a $ b $", seed=7)
        kept[0].canvas.draw()
    cells = np.array(kept[0].axes).reshape(2, 4)
    for across, row in zip(cells, rows, strict=True):
        frames = [[one for one in axis.patches if isinstance(one, Rectangle)] for axis in across]
        wanted = [RIGHT if store.labels[one] == store.labels[row.query] else WRONG for one in row.neighbours]
        assert [to_hex(found[0].get_edgecolor()).upper() for found in frames if found] == wanted
        assert not frames[0]
    assert {RIGHT, WRONG} == {to_hex(one.get_edgecolor()).upper() for axis in kept[0].axes for one in axis.patches}, (
        "the store has both"
    )
    assert "seed 7" in kept[0].get_supxlabel()
    for axis in cells[0]:  # the whole skeleton is seen
        across_limits, up_limits = axis.get_xlim(), axis.get_ylim()
        points = np.concatenate([line.get_xydata() for line in axis.lines])
        assert (points.min(axis=0) > [across_limits[0], up_limits[0]]).all()
        assert (points.max(axis=0) < [across_limits[1], up_limits[1]]).all()
