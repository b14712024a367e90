from __future__ import annotations

import time
from typing import Any

import pytest

from hico_platform.cli.views.list_view import list_lines
from hico_platform.search.listing import ListedSearch
from hico_platform.search.state import SearchState

DAY_S = 86400.0


def listed(**values: Any) -> ListedSearch:
    """A finished search of ann's."""
    known = {
        "name": "toy", "owner": "ann", "state": SearchState.FINISHED, "ended": 4, "begun": 5, "limit": 8,
        "signal": "knn_top1", "best": 0.5123, "standard_error": 0.0276, "best_trial": 3, "trial_seconds": 5400.0,
        "bytes_on_disk": 1536, "began_at_s": 1000 * DAY_S,
    }  # fmt: skip
    return ListedSearch(**(known | values))


def lines(*searches: ListedSearch) -> list[str]:
    return [line.plain for line in list_lines(searches, now_s=1003 * DAY_S)]


def test_every_amount_stands_under_its_heading() -> None:
    heading, line = lines(listed())
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(1000 * DAY_S))
    assert heading == (
        "name  who  state     trials  best                            trial time     disk  started           age"
    )
    assert line == f"toy   ann  finished     4/8  knn_top1 0.512±0.028 (trial 3)        1.5h  1.5 KiB  {began}   3d"


def test_columns_in_which_nothing_stands_are_left_out_and_others_come_with_one_search() -> None:
    heading, first, second = lines(listed(gpu_hours=0.125, tags=("a", "b")), listed(name="other", note="look\x1b[2J"))
    assert heading.split()[-3:] == ["age", "tags", "note"]
    assert "GPU-hours" in heading
    place = heading.index("GPU-hours")
    assert first[place : place + 9] == "     0.12"
    assert second[place : place + 9] == " " * 9
    assert first.endswith("  3d  a, b")
    assert second.endswith("look?[2J")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"is_archived": True, "is_paused": True}, "archived"),
        ({"is_paused": True}, "paused"),
        ({"state": SearchState.RUNNING}, "running"),
    ],
)
def test_the_state_has_a_colour_of_its_own(values: dict[str, Any], word: str) -> None:
    _, line = list_lines([listed(**values)], now_s=0.0)
    assert line.plain.split()[2] == word
    (style,) = {str(span.style) for span in line.spans if line.plain[span.start : span.end].strip() == word}
    assert style == {"archived": "dim", "paused": "yellow", "running": "cyan"}[word]


def test_what_is_not_known_is_a_dash() -> None:
    _, line = lines(listed(best=None, owner=None, bytes_on_disk=None))
    assert line.split()[1:6] == ["-", "finished", "4/8", "-", "1.5h"]
    assert line.split()[6] == "-"


@pytest.mark.parametrize(("stored", "shown"), [(3 * 2**30, "1.5 KiB + 3.0 GiB stored"), (None, "1.5 KiB + ? stored")])
def test_what_lies_in_a_store_is_beside_what_lies_here(stored: int | None, shown: str) -> None:
    assert f"  {shown}  " in lines(listed(stored_bytes=stored))[1]


def test_one_that_cannot_be_read_says_why_and_nothing_else() -> None:
    _, line = lines(ListedSearch(name="odd\x1b", problem="a newer\nversion made it"))
    assert line.split(maxsplit=9) == ["odd?", "-", "unreadable", *["-"] * 6, line.split(maxsplit=9)[-1]]
    assert line.endswith("-  a newer version made it")
