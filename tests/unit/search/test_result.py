from __future__ import annotations

import dataclasses

from hico_platform.config.schema import flatten
from hico_platform.search.ledger.base import Origin, TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.result import SearchResult
from hico_platform.search.state import search_progress
from tests.toy import FACTS, toy_space
from tests.unit.search.ledger.contract import ending, report

SPACE = toy_space()


def result(*, ended: bool) -> SearchResult:
    """Of a search of two trials, the second of which is the best once it has ended."""
    ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=2, at_s=0.0)
    values = {name: value for name, value in flatten(SPACE.base).items() if value is not None}
    ledger.enqueue(values, space=SPACE, origin=Origin.BASE)
    for number, value in enumerate((0.25, 0.5)):
        ledger.begin(SPACE, at_s=0.0)
        ledger.record_report(number, report(9, value))
    ledger.record_run(1, "run-1")
    ledger.record_ending(0, ending(TrialState.FAILED))
    if ended:
        ledger.record_ending(1, ending(TrialState.COMPLETE))
    trials = ledger.trials()
    return SearchResult(
        search=ledger.search,
        progress=search_progress(trials, limit=2, max_failures=5, has_driver=False, has_ended=False),
        trials=trials,
        best=trials[1],
        best_config=SPACE.config(trials[1].values),
        front=(trials[1],),
        ended_by="12 hours are over",
        elapsed_s=2.5,
        untracked=3,
        refused=1,
        refusal="too long",
    )


def test_a_search_whose_trials_failed_without_a_score_brought_nothing() -> None:
    found = result(ended=True)
    assert not found.without_score, "one failed, the other is the best"
    assert dataclasses.replace(found, best=None).without_score
    assert not dataclasses.replace(found, best=None, trials=found.trials[1:]).without_score, "stopped by its user, say"


def test_as_plain_values() -> None:
    found = result(ended=True)
    assert found.best is not None
    assert found.as_dict() == {
        "name": "toy",
        "state": "finished",
        "trials": 2,
        "states": {"running": 0, "interrupted": 0, "complete": 1, "pruned": 0, "failed": 1},
        "best": {
            "number": 1,
            "values": dict(found.best.values),
            "epoch": 9,
            "value": 0.5,
            "standard_error": None,
            "metrics": {"recognition_top1": 0.5},
            "run_id": "run-1",
        },
        "front": [1],
        "ended_by": "12 hours are over",
        "elapsed_s": 2.5,
        "untracked": 3,
        "refused": 1,
        "refusal": "too long",
        "next": "hico-platform retrain toy",
    }


def test_a_best_trial_that_has_not_ended_has_no_metrics() -> None:
    found = result(ended=False).as_dict()
    assert (found["state"], found["best"]["metrics"]) == ("interrupted", {})


def test_a_search_without_a_best_trial() -> None:
    nothing = SearchResult(**{**vars(result(ended=True)), "best": None, "best_config": None, "front": ()})
    assert (nothing.as_dict()["best"], nothing.as_dict()["front"]) == (None, [])
    assert nothing.as_dict()["next"] == "hico-platform show toy", "there is nothing to retrain, and show says why"
