"""The rule for checkpoints as a pure function of the ledger's trials."""

from __future__ import annotations

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hico_platform.config.space import Objective
from hico_platform.config.space_settings import KeepConfig, Rest
from hico_platform.enums import Decision
from hico_platform.search.keep_rule import DAY_S, Kept, next_change_s, verdicts
from hico_platform.search.kept_checkpoints import less
from hico_platform.search.ledger.base import Ending, Origin, ReportRecord, TrialRecord, TrialState

KNN = (Objective.KNN,)


def ended(
    number: int, epoch: int, value: float | None, state: TrialState = TrialState.PRUNED, *, at_s: float = 0.0,
    size: float | None = None,
) -> TrialRecord:  # fmt: skip
    reports = (
        ReportRecord(
            epoch=epoch, metrics={}, history=(), checkpoint=Path("x"), value=value, decision=Decision.STOP, at_s=0.0,
            measures=(value,) if size is None else (value, size),
        ),
    ) if value is not None else ()  # fmt: skip
    ending = None if state is TrialState.RUNNING else Ending(state=state, epoch=epoch, at_s=at_s)
    return TrialRecord(
        number=number, state=state, values={}, origin=Origin.SAMPLER, began_at_s=0.0, reports=reports, ending=ending
    )


def kept(trials: list[TrialRecord], rule: KeepConfig, *, now_s: float = 0.0, **more: object) -> dict[int, Kept]:
    found = verdicts(trials, rule, objectives=more.pop("objectives", KNN), now_s=now_s, **more)  # type: ignore[arg-type]
    return {number: verdict.kept for number, verdict in found.items()}


COMPLETE, RUNNING, FAILED = TrialState.COMPLETE, TrialState.RUNNING, TrialState.FAILED
TRIALS = [
    ended(0, 27, 0.5, COMPLETE),
    ended(1, 3, 0.9),
    ended(2, 3, 0.2),
    ended(3, 9, 0.3),
    ended(4, 9, 0.4),
    ended(5, 9, 0.9, RUNNING),
    ended(6, 27, 0.6, COMPLETE),
    ended(7, 27, 0.4, COMPLETE),
    ended(8, 0, None, FAILED),
]


def test_the_best_and_the_best_of_each_rung_are_whole() -> None:
    found = kept(TRIALS, KeepConfig(best=2, per_rung=1))
    assert {number for number, one in found.items() if one is Kept.WHOLE} == {0, 6, 1, 4}
    assert {number for number, one in found.items() if one is Kept.ENCODER} == {2, 3, 7, 8}


def test_one_that_runs_is_not_in_it() -> None:
    assert 5 not in kept(TRIALS, KeepConfig(best=1, per_rung=0))


def test_without_encoders_the_rest_goes() -> None:
    found = kept(TRIALS, KeepConfig(best=1, per_rung=0, encoder_only=Rest.NONE))
    assert found == {6: Kept.WHOLE, **dict.fromkeys((0, 1, 2, 3, 4, 7, 8), Kept.NOTHING)}


def test_after_its_days_an_encoder_goes_and_what_is_whole_stays() -> None:
    rule = KeepConfig(best=1, per_rung=0, days=30)
    trials = [ended(0, 27, 0.5, COMPLETE, at_s=0.0), ended(1, 3, 0.1, at_s=5.0), ended(2, 3, 0.1, at_s=DAY_S)]
    before = verdicts(trials, rule, objectives=KNN, now_s=30 * DAY_S)
    assert [one.kept for one in before.values()] == [Kept.WHOLE, Kept.ENCODER, Kept.ENCODER]
    change_s = next_change_s(before, {0: 0.0, 1: 5.0, 2: DAY_S}, rule)
    assert change_s == 30 * DAY_S + 5
    after = verdicts(trials, rule, objectives=KNN, now_s=change_s)
    assert [one.kept for one in after.values()] == [Kept.WHOLE, Kept.NOTHING, Kept.ENCODER]
    assert after[1].why == "not one of the best 1, and it ended 30 days ago or more"
    assert next_change_s(after, {0: 0.0, 1: 5.0, 2: DAY_S}, KeepConfig()) == math.inf


def test_the_pareto_front_and_what_is_compared_with_stay_whole() -> None:
    both = (Objective.KNN, Objective.PARAMETERS)
    trials = [ended(number, 27, value, COMPLETE, size=size) for number, value, size in
              ((0, 0.5, 100.0), (1, 0.4, 50.0), (2, 0.3, 60.0), (3, 0.2, 200.0))]  # fmt: skip
    found = kept(trials, KeepConfig(best=1, per_rung=0), objectives=both, referred={3})
    assert found == {0: Kept.WHOLE, 1: Kept.WHOLE, 2: Kept.ENCODER, 3: Kept.WHOLE}


def test_no_number_is_worst() -> None:
    trials = [ended(0, 27, math.nan, COMPLETE), ended(1, 27, 0.1, COMPLETE)]
    assert kept(trials, KeepConfig(best=1, per_rung=1)) == {0: Kept.ENCODER, 1: Kept.WHOLE}


_TRIAL = st.tuples(st.sampled_from([3, 9, 27]), st.floats(0, 1), st.booleans())


@given(st.lists(_TRIAL, min_size=1, max_size=20), st.integers(1, 4), st.integers(0, 2))
def test_nothing_that_went_is_wanted_again(drawn: list[tuple[int, float, bool]], best: int, per_rung: int) -> None:
    """Whatever the order in which trials end, what is kept of one only gets less."""
    trials = [
        ended(number, epoch, value, FAILED if fails else COMPLETE if epoch == 27 else TrialState.PRUNED)
        for number, (epoch, value, fails) in enumerate(drawn)
    ]
    rule = KeepConfig(best=best, per_rung=per_rung)
    before: dict[int, Kept] = {}
    for count in range(1, len(trials) + 1):
        now = kept(trials[:count], rule)
        assert all(less(was, now[number]) is now[number] for number, was in before.items())
        before = now
