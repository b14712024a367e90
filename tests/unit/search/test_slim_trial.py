from __future__ import annotations

import dataclasses
import sys

from hico_platform.enums import Decision
from hico_platform.search.ledger.base import Origin, TrialRecord, TrialState
from hico_platform.search.slim_trial import slim
from hico_platform.search.stopping import busy_s
from tests.unit.search.ledger.contract import ending, report

TRIAL = TrialRecord(
    number=3,
    state=TrialState.RUNNING,
    values={"contrast.temperature": 0.1},
    origin=Origin.SAMPLER,
    began_at_s=90.0,
    config={"model": {"hidden_width": 16}},
    reports=(report(1, 0.25), report(2, 0.5, Decision.STOP)),
    pauses=((95.0, 96.0),),
)


def test_what_rules_ask_for_stays() -> None:
    ended = dataclasses.replace(ending(TrialState.FAILED, epoch=2), reason="why", traceback="lines", excused=True)
    kept = slim(TRIAL, ended)
    assert (kept.number, kept.state, kept.values, kept.epoch, kept.value) == (
        3, TrialState.FAILED, TRIAL.values, 2, 0.5
    )  # fmt: skip
    assert kept.curve == TRIAL.curve
    assert [one.decision for one in kept.reports] == [Decision.CONTINUE, Decision.STOP]
    assert kept.ending is not None
    assert (kept.ending.excused, kept.ending.at_s, kept.pauses) == (True, 200.0, TRIAL.pauses)
    whole = dataclasses.replace(TRIAL, ending=ended)
    assert busy_s(kept, now_s=300.0, sessions=[101.5]) == busy_s(whole, now_s=300.0, sessions=[101.5])


def test_what_the_ledger_has_besides_goes() -> None:
    ended = dataclasses.replace(ending(TrialState.FAILED), reason="why", traceback="lines")
    kept = slim(TRIAL, ended)
    assert kept.ending is not None
    assert (kept.config, kept.ending.traceback, kept.ending.reason, kept.ending.metrics) == (None, None, None, {})
    assert {len(one.metrics) for one in kept.reports} == {0}
    assert sys.getsizeof(kept.reports[0].history) == sys.getsizeof(())


def test_a_trial_that_has_not_ended_stays_whole() -> None:
    assert slim(TRIAL, None) is TRIAL
