from __future__ import annotations

import pytest

from hico_platform.report.plot import BEST
from hico_platform.report.search_plots.scored import best_on_top, log_ticks, scored_markers
from tests.unit.report.search_plots.small_search import CONTENT


def test_the_best_are_drawn_last_and_what_has_no_score_is_left_out() -> None:
    assert [trial.number for trial in best_on_top(CONTENT)] == [1, 0, 4, 3]


def test_markers_are_coloured_by_score_and_the_best_trial_has_an_edge() -> None:
    shown = best_on_top(CONTENT)
    markers = scored_markers(CONTENT, shown, 9)
    assert markers["color"] == pytest.approx([20.0, 50.0, 52.0, 58.0])
    assert [colour == BEST for colour in markers["line"]["color"]] == [False, False, False, True]


def test_a_log_axis_has_plain_numbers_as_ticks_and_over_many_decades_the_powers_of_ten_alone() -> None:
    assert log_ticks([0.1, 0.5]) == {"tickvals": pytest.approx([0.1, 0.2, 0.5]), "ticktext": ["0.1", "0.2", "0.5"]}
    assert log_ticks([0.001, 1.0])["ticktext"] == ["0.001", "0.01", "0.1", "1"]
    assert log_ticks([0.0, 1.0]) == {}
