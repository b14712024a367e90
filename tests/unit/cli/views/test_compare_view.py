from __future__ import annotations

from typing import Any

from hico_platform.cli.views.compare_view import compare_lines
from hico_platform.commands.compare_searches import ComparedSearch, Comparison
from hico_platform.search.status import Cost
from tests.unit.search.handmade import status, trial

COSTS = tuple(float(cost) for cost in range(60, 1260, 60))


def compared(name: str, *, curve: tuple[tuple[float, float], ...], **more: Any) -> ComparedSearch:
    given = status(trial(3, error=more.pop("error", 0.02)), name=name, **more)
    return ComparedSearch(status=given, trial_seconds=1200.0, curve=curve)


def lines(*searches: ComparedSearch, costs: tuple[float, ...] = COSTS, **more: Any) -> list[str]:
    return list(compare_lines(Comparison(searches=searches, costs=costs, differences=()), **more))


def test_bests_and_curves_at_equal_cost() -> None:
    one = compared("one", curve=((60.0, 0.25), (700.0, 0.5)))
    two = compared("longer", curve=((310.0, 0.375),), error=None, gpus=0.5, cost=Cost(
        trial_hours=1.0, cpu_hours=1.0, gpu_hours=0.126))  # fmt: skip
    assert lines(one, two) == [
        "search  state        best                  95 % interval   trial  epoch  trials  trial time  GPU-hours",
        "one     interrupted  knn_top1 0.500±0.020  0.461 to 0.539  3      9      1/5     20m         -",
        "longer  interrupted  knn_top1 0.500        -               3      9      1/5     20m         0.13",
        "",
        "best complete trial at equal cost (seconds of trials, up to what the cheapest search took):",
        "search  5m     10m    15m    20m    curve",
        "one     0.250  0.250  0.500  0.500  ▁▁▁▁▁▁▁▁▁▁▁█████████",
        "longer  -      0.375  0.375  0.375       ▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅",
        "",
        "one: temperature 0.125, encoder lstm",
        "longer: temperature 0.125, encoder lstm",
    ]


def test_a_score_of_zero_is_a_score() -> None:
    """It was left out of the scale, below which there is no block to draw it with."""
    curve = lines(compared("one", curve=((60.0, 0.0), (900.0, 0.9), (1200.0, 1.0))))[5].split()[-1]
    assert curve == "▁" * 14 + "█" * 6
    assert lines(compared("one", curve=((60.0, 0.0),)))[5].split()[-1] == "▅" * 20


def test_before_any_trial_was_complete() -> None:
    one = ComparedSearch(status=status(name="n\x1b"), trial_seconds=0.0, curve=())
    assert lines(one, costs=()) == [
        "search  state        best  95 % interval  trial  epoch  trials  trial time  GPU-hours",
        "n?      interrupted  -     -              -      -      0/5     0s          -",
        "",
    ]
    assert lines(one)[4:6] == ["search  5m  10m  15m  20m  curve", "n?      -   -    -    -"]


def test_a_warning_comes_first_and_letters_where_there_are_no_blocks() -> None:
    one = compared("one", curve=((60.0, 0.25), (700.0, 0.5)))
    comparison = Comparison(searches=(one,), costs=COSTS, differences=("protocol: a\nb",))
    shown = list(compare_lines(comparison, ascii_only=True))
    assert shown[0] == "warning: these numbers are not comparable: protocol: a b"
    assert shown[6].endswith("  ___________#########")
