from __future__ import annotations

import numpy as np
import pytest

from hico_platform.evaluate.intervals import Interval
from hico_platform.report import curves as module
from hico_platform.report.curves import (
    EntryScores,
    draw_occlusion,
    draw_semi_supervised,
    occlusion_lines,
    semi_supervised_lines,
)

NEAR = Interval(low=0.4, high=0.7, method="bootstrap")
ENTRIES = {
    "encoder": EntryScores(
        values={
            "knn_top1": 0.9,
            "semi_unstratified_20_linear_top1": 0.6,
            "semi_unstratified_5_linear_top1": 0.3,
            "semi_per_class_20_finetune_layer_decay_top1": 0.7,
            "semi_list_mine_linear_top1": 0.1,
            "occlusion_clean_knn_top1": 0.8,
            "occlusion_parts_2_knn_top1": 0.5,
            "occlusion_frames_50_knn_top1": 0.4,
        },
        intervals={"semi_unstratified_20_linear_top1": NEAR},
    ),
    "raw pose": EntryScores(values={"semi_unstratified_20_linear_top1": 0.5}, intervals={}),
}


def test_lines_of_the_share_of_labels() -> None:
    panels = semi_supervised_lines(ENTRIES)
    assert {panel: [line.label for line in lines] for panel, lines in panels.items()} == {
        "labels drawn unstratified": ["encoder, linear probe", "raw pose, linear probe"],
        "labels drawn per class": ["encoder, finetune layer decay"],
    }
    line = panels["labels drawn unstratified"][0]
    assert list(line.points.items()) == [(5.0, (0.3, None)), (20.0, (0.6, NEAR))]


def test_whole_sequences_begin_both_lines_of_occlusion() -> None:
    panels = occlusion_lines(ENTRIES)
    assert {panel: dict(lines[0].points) for panel, lines in panels.items()} == {
        "missing parts of the body": {0.0: (0.8, None), 2.0: (0.5, None)},
        "missing frames, %": {0.0: (0.8, None), 50.0: (0.4, None)},
    }


def test_no_figure_without_its_scores() -> None:
    nothing = {"encoder": EntryScores(values={"knn_top1": 0.5}, intervals={})}
    assert draw_semi_supervised(nothing, title="") is None
    assert draw_occlusion(nothing, title="") is None


@pytest.mark.slow
def test_points_and_intervals_as_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(module, "png", lambda figure: kept.append(figure) or b"")
    draw_semi_supervised(ENTRIES, title="few")
    first, second = kept[0].axes
    assert [one.get_text() for one in first.get_xticklabels()] == ["5", "20"]
    assert [one.get_text() for one in second.get_xticklabels()] == ["5", "20"], "one axis for both"
    encoder = first.containers[0]
    assert np.allclose(encoder.lines[0].get_ydata(), [30, 60])
    assert np.allclose([segment[:, 1] for segment in encoder.lines[2][0].get_segments()], [[30, 30], [40, 70]])
    assert len(kept[0].legends[0].get_texts()) == 3


@pytest.mark.slow
def test_an_entry_has_a_colour_and_a_method_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(module, "png", lambda figure: kept.append(figure) or b"")
    values = {f"occlusion_{kind}_{by}_top1": 0.5 for kind in ("clean", "parts_1") for by in ("knn", "linear")}
    draw_occlusion({name: EntryScores(values=values, intervals={}) for name in ("one", "two")}, title="")
    lines = [container.lines[0] for container in kept[0].axes[0].containers]
    assert [line.get_linestyle() for line in lines] == ["-", "--", "-", "--"]
    assert len({line.get_color() for line in lines[:2]}) == len({line.get_color() for line in lines[2:]}) == 1
    assert lines[0].get_color() != lines[2].get_color()
