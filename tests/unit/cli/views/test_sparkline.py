from __future__ import annotations

import math

import pytest

from hico_platform.cli.views.sparkline import sparkline


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0.5], "▅"),
        ([0.5, 0.5], "▅▅"),
        ([0.0, 1.0], "▁█"),
        ([1.0, 0.0], "█▁"),
        ([0.0, math.nan, 1.0], "▁?█"),
        ([math.nan, math.inf], "??"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"),
    ],
)
def test_a_curve_as_text(values: list[float], line: str) -> None:
    assert sparkline(values) == line


def test_a_long_curve_keeps_its_ends() -> None:
    assert sparkline(list(range(100)), width=30).startswith("▁")
    assert sparkline(list(range(100)), width=30).endswith("█")
    assert len(sparkline(list(range(100)), width=30)) == 30
    assert len(sparkline(list(range(100)))) == 40
    assert sparkline([0.0, 0.9, 0.8, 0.9, 1.0], width=3) == "▁▇█", "the first, the middle and the last"
    assert sparkline([0.0, 1.0], width=1) == "▅"


def test_where_there_are_no_blocks() -> None:
    assert sparkline([0.0, 0.5, 1.0], ascii_only=True) == "_=#"


def test_several_curves_on_one_scale() -> None:
    assert sparkline([0.2, 0.5], bounds=(0.0, 1.0)) == "▂▅"
    assert sparkline([1.0], bounds=(0.0, 1.0)) == "█"
