from __future__ import annotations

import numpy as np
import pytest

from hico_platform.report import feature_map as module
from hico_platform.report.feature_map import draw_feature_map, named_classes, other_classes


def test_the_largest_classes_are_named() -> None:
    labels = np.repeat(np.arange(23), [1, 1, 1, *[2] * 20])
    assert named_classes(labels) == list(range(3, 23))
    assert named_classes(np.array([4, 1, 4])) == [1, 4]


@pytest.mark.slow
def test_each_named_class_looks_different_and_the_others_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(module, "png", lambda figure: kept.append(figure) or b"")
    labels = np.repeat(np.arange(23), 3)
    draw_feature_map(
        np.random.default_rng(0).normal(size=(69, 2)).astype(np.float32),
        labels,
        [f"a $class$ with quite a long name {i}" for i in range(23)],
        title="$ 1, $ 2",
    )
    groups = kept[0].axes[0].collections
    assert groups[0].get_label() == "3 other classes"
    looks = {(tuple(one.get_facecolor()[0]), one.get_paths()[0].vertices.tobytes()) for one in groups}
    assert len(looks) == 21
    assert sum(len(one.get_offsets()) for one in groups) == 69
    kept[0].canvas.draw()  # no name is read as mathematics
    legend = kept[0].legends[0].get_window_extent()
    assert not legend.overlaps(kept[0].axes[0].get_window_extent())


def test_classes_without_a_name_are_smaller_only_where_they_are() -> None:
    labels = np.repeat(np.arange(22), [1, *[2] * 21])
    assert other_classes(labels, list(range(1, 22))) == "1 smaller class"
    assert other_classes(labels, list(range(2, 22))) == "2 other classes"
