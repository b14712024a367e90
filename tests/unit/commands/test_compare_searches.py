"""Searches side by side: intervals, curves at equal cost, and warnings where numbers are not comparable."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands.compare_searches import best_by_cost, compare_searches
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import Ledger, TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.score_interval import NORMAL_95
from tests.toy import FACTS, toy_space
from tests.unit.search.ledger.contract import ending, report

SPACE = toy_space(trials=5)


def trial(ledger: Ledger, *, began_at_s: float, took_s: float, value: float, error: float = 0.02) -> None:
    number = ledger.begin(SPACE, at_s=began_at_s).number
    noisy = dataclasses.replace(
        report(9, value), at_s=began_at_s + took_s, standard_error=error, standard_errors={"knn_top1": error}
    )
    ledger.record_report(number, noisy)
    ledger.record_ending(number, dataclasses.replace(ending(TrialState.COMPLETE), at_s=began_at_s + took_s))


def search(home: Path, name: str, *, facts=FACTS) -> StudyLedger:
    storage = open_storage(sqlite_url(home / "study.db"))
    return StudyLedger.create(storage, name=name, space=SPACE, facts=facts, limit=5, at_s=0.0)


def test_the_best_over_cost_counts_all_that_ran_until_then() -> None:
    ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
    trial(ledger, began_at_s=0.0, took_s=10.0, value=0.3)
    trial(ledger, began_at_s=0.0, took_s=20.0, value=0.5)
    trial(ledger, began_at_s=10.0, took_s=20.0, value=0.4)
    # At 10 s two had run for 10 s each; at 20 s those 30 s and 10 s of the third.
    assert best_by_cost(ledger.trials(), sessions=(), now_s=99.0) == [(20.0, 0.3), (40.0, 0.5)]


@pytest.mark.slow
def test_what_the_cheapest_search_found_last_counts_at_its_whole_cost(tmp_path: Path) -> None:
    """Sums of Unix times are rounded to some millionths of a second, by which the last trial must not be left out."""
    draw, now_s = random.Random(3), 1.796e9
    cheap, dear = search(tmp_path, "cheap"), search(tmp_path, "dear")
    for index in range(25):
        took_s = draw.uniform(100.0, 1000.0)
        value = 0.9 if index == 24 else 0.1
        trial(cheap, began_at_s=now_s + draw.random(), took_s=took_s if index < 24 else 1001.7, value=value)
    trial(dear, began_at_s=now_s, took_s=1e5, value=0.5)
    comparison = compare_searches(HomePaths(home=tmp_path), ["cheap", "dear"])
    assert comparison.costs[-1] == comparison.searches[0].trial_seconds
    assert comparison.searches[0].best_at(comparison.costs[-1]) == 0.9


def test_bests_intervals_and_scores_at_equal_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick, slow = search(tmp_path, "quick"), search(tmp_path, "slow")
    for index, value in enumerate((0.3, 0.5)):
        trial(quick, began_at_s=20.0 * index, took_s=10.0, value=value)
        trial(slow, began_at_s=20.0 * index, took_s=18.0, value=value + 0.1)
    comparison = compare_searches(HomePaths(home=tmp_path), ["quick", "slow"])
    assert comparison.differences == ()
    assert comparison.costs[-1] == pytest.approx(20.0), "what the cheapest took"
    one, two = comparison.searches
    assert one.interval == pytest.approx((0.5 - NORMAL_95 * 0.02, 0.5 + NORMAL_95 * 0.02))
    assert [one.best_at(cost) for cost in (9.0, 10.0, 20.0)] == [None, 0.3, 0.5]
    assert [two.best_at(cost) for cost in (9.0, 18.0, 20.0)] == [None, 0.4, 0.4]
    assert main(["compare", "quick", "slow", "--home", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "warning" not in text
    assert "0.461 to 0.539" in text
    assert main(["compare", "quick", "slow", "--json", "--home", str(tmp_path)]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["comparable"] is True
    assert plain["searches"][1]["best"]["value"] == pytest.approx(0.6)


def test_other_data_is_not_comparable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(tmp_path, "one")
    other = dataclasses.replace(FACTS, data_digest="e" * 64, protocol="xview", more={"validation_sequences": 7})
    search(tmp_path, "two", facts=other)
    assert main(["compare", "one", "two", "--home", str(tmp_path)]) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        "warning: these numbers are not comparable: data digest: dddddddddddd in one, eeeeeeeeeeee in two",
        "warning: these numbers are not comparable: protocol: xsub in one, xview in two",
        "warning: these numbers are not comparable: split: validation subjects in one, validation subjects (7 "
        "sequences) in two",
    ]


def test_one_protocol_file_with_two_rules_is_not_comparable(tmp_path: Path) -> None:
    """A file keeps its name when it is edited."""
    for name, digest in (("one", "a" * 64), ("two", "b" * 64)):
        facts = dataclasses.replace(FACTS, protocol="mine.yaml", more={"protocol_digest": digest})
        trial(search(tmp_path, name, facts=facts), began_at_s=0.0, took_s=10.0, value=0.3)
    found = compare_searches(HomePaths(home=tmp_path), ["one", "two"]).differences
    assert found == ("rule of the protocol: aaaaaaaaaaaa in one, bbbbbbbbbbbb in two",)
