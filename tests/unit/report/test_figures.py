"""What the report's pictures plot, as numbers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hico_platform.report import figures
from hico_platform.report.content import Importance, ReportContent, ReportedTrial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Scores fall within a trial and between trials.
CURVES = [{1: 0.30, 3: 0.55, 9: 0.50}, {1: 0.20}, {}, {1: 0.35, 3: 0.60, 9: 0.58}, {1: 0.40, 3: 0.52}]
STATES = ["complete", "pruned", "failed", "complete", "running"]
CONTENT = ReportContent(
    name="toy",
    description="",
    state="running",
    progress="4 of 5 trials ended",
    ended_by=None,
    limit=5,
    epochs=9,
    rungs=[1, 3],
    trials=[
        ReportedTrial(
            number=number,
            state=state,
            word=state,
            origin="sampler",
            values={"contrast.temperature": 0.1 * (number + 1), "model.encoder": ("gru", "lstm")[number % 2]},
            curve=curve,
            metrics={},
            seconds=None,
            reason=None,
            run_id=None,
        )
        for number, (curve, state) in enumerate(zip(CURVES, STATES, strict=True))
    ],
    best=3,
    facts={},
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were drawn."""
    kept: list[Figure] = []
    monkeypatch.setattr(figures, "_svg", lambda figure: kept.append(figure) or "<svg>")
    return kept


def test_the_best_so_far_never_falls(drawn: list[Figure]) -> None:
    assert figures.best_so_far(CONTENT) == "<svg>"
    (line,) = drawn[0].axes[0].lines
    scores = [100 * value for curve in CURVES for value in curve.values()]
    spent = np.cumsum([step for curve in CURVES for step in np.diff([0, *curve])])
    assert line.get_xdata() == pytest.approx([0, *spent])
    assert line.get_ydata()[1:] == pytest.approx(np.maximum.accumulate(scores))
    assert np.isnan(line.get_ydata()[0]), "before the first report there is no best"
    assert line.get_drawstyle() == "steps-post"
    assert drawn[0].axes[0].get_ylabel() == "best kNN top-1, %"


def test_axes_name_the_score_that_the_search_goes_by(drawn: list[Figure]) -> None:
    by_map = dataclasses.replace(CONTENT, score="mAP")
    figures.best_so_far(by_map)
    figures.learning_curves(by_map)
    assert [figure.axes[0].get_ylabel() for figure in drawn] == ["best mAP, %", "validation mAP, %"]


def test_learning_curves_are_the_reports_with_the_rungs(drawn: list[Figure]) -> None:
    figures.learning_curves(CONTENT)
    rungs, curves = drawn[0].axes[0].lines[:2], drawn[0].axes[0].lines[2:]
    assert [line.get_xdata()[0] for line in rungs] == [1, 3]
    reported = [(number, curve) for number, curve in enumerate(CURVES) if curve]
    assert len(curves) == len(reported)
    for line, (number, curve) in zip(curves, reported, strict=True):
        assert list(line.get_xdata()) == list(curve)
        assert line.get_ydata() == pytest.approx([100 * value for value in curve.values()])
        assert (line.get_linewidth() > 2) == (number == 3), "the best trial is the thick one"


def test_each_parameter_is_plotted_against_the_last_reported_score(drawn: list[Figure]) -> None:
    figures.parameters(CONTENT)
    temperature, encoder = drawn[0].axes
    last = {number: 100 * list(curve.values())[-1] for number, curve in enumerate(CURVES) if curve}

    def dots(axis: Axes) -> np.ndarray:
        return np.array([np.asarray(dot.get_offsets())[0] for dot in axis.collections])

    assert dots(temperature) == pytest.approx(np.array([(0.1 * (number + 1), last[number]) for number in last]))
    assert dots(encoder) == pytest.approx(np.array([(number % 2, last[number]) for number in last]))
    assert [label.get_text() for label in encoder.get_xticklabels()] == ["gru", "lstm"]
    filled = [number for number, dot in zip(last, temperature.collections, strict=True) if len(dot.get_facecolor())]
    assert filled == [0, 3], "the complete trials"


def test_importance_is_shown_in_percent_by_size(drawn: list[Figure]) -> None:
    figures.importance(Importance(shares={"contrast.temperature": 0.7, "model.encoder": 0.3}, epoch=1, trials=4))
    axis = drawn[0].axes[0]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([30.0, 70.0])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["model.encoder", "contrast.temperature"]
