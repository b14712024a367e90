from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd

from hico_platform.api.search_tables import curves_table, facts_of, trials_table
from hico_platform.enums import Decision
from hico_platform.search.ledger.base import Origin, SearchRecord, TrialState
from hico_platform.search.status import SearchStatus
from tests.toy import FACTS, toy_space
from tests.unit.search.handmade import DRIVER, report, status, trial


def three(**more: object) -> SearchStatus:
    """One complete, one failed without a report, one that has not ended."""
    complete = trial(
        0, error=0.02, began_at_s=10.0, run_id="r0", origin=Origin.RELEASED,
        ending={"metrics": {"recognition_top1": 0.75}, "checkpoint": "/h/last"},
    )  # fmt: skip
    failed = trial(1, TrialState.FAILED, curve={}, values={"model.encoder": "gru"}, ending={"reason": "ValueError: no"})
    return status(complete, failed, trial(2, TrialState.RUNNING, curve={1: 0.25}), **more)


def test_a_row_a_trial_with_all_that_is_known_of_it() -> None:
    table = trials_table(three())
    assert (table.index.name, table.index.tolist()) == ("trial", [0, 1, 2])
    assert list(table.columns) == [
        "state", "origin", "epochs", "score", "standard_error", "contrast.temperature", "model.encoder", "seconds",
        "metrics.recognition_top1", "reason", "checkpoint", "run_id",
    ]  # fmt: skip
    assert table.loc[0].dropna().to_dict() == {
        "state": "complete", "origin": "released", "epochs": 9, "score": 0.5, "standard_error": 0.02,
        "contrast.temperature": 0.125, "model.encoder": "lstm", "seconds": 940.0, "metrics.recognition_top1": 0.75,
        "checkpoint": "/h/last", "run_id": "r0",
    }  # fmt: skip
    assert table.state.tolist() == ["complete", "failed", "interrupted"]
    assert table.reason.dropna().to_dict() == {1: "ValueError: no"}
    assert np.isnan(table["contrast.temperature"][1]), "a field whose condition does not hold is missing"
    assert np.isnan([table.score[1], table.seconds[2], table["metrics.recognition_top1"][2]]).all()
    assert trials_table(three(driver=DRIVER)).state.tolist()[-1] == "running"


def test_further_objectives_have_columns_of_their_own() -> None:
    space = toy_space(trials=5, objectives=["knn_top1", "parameters"], sampler={"name": "nsga2"})
    one = dataclasses.replace(trial(0), reports=(report(9, 0.5, measures=(0.5, 2e4)),))
    table = trials_table(status(one, trial(1, TrialState.FAILED, curve={}), space=space))
    assert list(table.columns)[3:6] == ["score", "standard_error", "parameters"]
    assert table.parameters[0] == 2e4
    assert math.isnan(table.parameters[1])


def test_a_row_a_report() -> None:
    reports = (
        report(1, 0.25, standard_error=0.03, metrics={"knn_top1": 0.25}),
        report(3, 0.375, metrics={"knn_top1": 0.375, "retrieval_map": 0.125}, decision=Decision.STOP),
    )
    one = dataclasses.replace(trial(4), reports=reports)
    table = curves_table(status(trial(0, TrialState.FAILED, curve={}), one))
    expected = pd.DataFrame(
        {
            "trial": [4, 4], "epoch": [1, 3], "score": [0.25, 0.375], "standard_error": [0.03, math.nan],
            "decision": ["continue", "stop"], "val.knn_top1": [0.25, 0.375], "val.retrieval_map": [math.nan, 0.125],
        }
    )  # fmt: skip
    pd.testing.assert_frame_equal(table, expected)


def test_types_do_not_depend_on_what_there_is() -> None:
    for table in (trials_table(status()), trials_table(three())):
        assert {table[name].dtype for name in ("score", "standard_error", "seconds")} == {np.dtype("float64")}
    empty = curves_table(status())
    assert (empty.trial.dtype, empty.epoch.dtype, empty.score.dtype) == (np.int64, np.int64, np.float64)
    assert len(empty) == 0


def test_what_the_numbers_depend_on_comes_with_each_table() -> None:
    space = toy_space()
    facts = dataclasses.replace(FACTS, seed=7, more={"dataset": "ntu"})
    shown = status(search=SearchRecord(name="mine", source=space.source, facts=facts, limit=5, began_at_s=0.0))
    expected = {
        "search": "mine", "score": "knn_top1", "dataset": "ntu", "data_digest": "d" * 64, "protocol": "xsub",
        "split": "validation subjects of the training split", "epochs": 9, "seed": 7, "code_version": "test",
    }  # fmt: skip
    assert facts_of(shown) == trials_table(shown).attrs == curves_table(shown).attrs == expected
