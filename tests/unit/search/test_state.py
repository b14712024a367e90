from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest

from hico_platform.search.ledger.base import Ending, Origin, TrialRecord, TrialState
from hico_platform.search.state import SearchState, TrialStatus, search_progress, too_many_failed, trial_status

MOST_FAILURES = 1


def records(states: tuple[TrialState, ...]) -> list[TrialRecord]:
    return [
        TrialRecord(
            number=number,
            state=state,
            values={},
            origin=Origin.SAMPLER,
            began_at_s=0.0,
            ending=Ending(state=state, epoch=1, at_s=1.0) if state.is_final else None,
        )
        for number, state in enumerate(states)
    ]


def every_search() -> list[tuple[tuple[TrialState, ...], int]]:
    """Up to three trials of every state, with limits around their number."""
    return [
        (states, limit)
        for count in range(4)
        for states in itertools.combinations_with_replacement(TrialState, count)
        for limit in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize("state", TrialState)
@pytest.mark.parametrize("has_driver", [False, True])
def test_a_trial_that_has_ended_is_what_it_came_to_and_any_other_goes_by_the_driver(
    state: TrialState, has_driver: bool
) -> None:
    (trial,) = records((state,))
    status = trial_status(trial, has_driver=has_driver)
    if state.is_final:
        assert str(status) == str(state)
    else:
        assert status is (TrialStatus.RUNNING if has_driver else TrialStatus.INTERRUPTED)


@pytest.mark.parametrize("has_driver", [False, True])
@pytest.mark.parametrize("has_ended", [False, True])
def test_every_search_has_one_state_that_agrees_with_its_trials(has_driver: bool, has_ended: bool) -> None:
    for states, limit in every_search():
        check(states, limit=limit, has_driver=has_driver, has_ended=has_ended)


def check(states: tuple[TrialState, ...], *, limit: int, has_driver: bool, has_ended: bool) -> None:
    trials = records(states)
    found = search_progress(trials, limit=limit, max_failures=MOST_FAILURES, has_driver=has_driver, has_ended=has_ended)
    counts, state = found.counts, found.state
    assert counts.keys() == set(TrialStatus)
    assert Counter(trial_status(trial, has_driver=has_driver) for trial in trials) == +Counter(counts)
    assert found.begun == len(trials)
    assert found.ended == sum(one.is_final for one in states)
    unended, failed = found.begun - found.ended, states.count(TrialState.FAILED) > MOST_FAILURES
    assert failed == too_many_failed(trials, max_failures=MOST_FAILURES)
    # Each state is what it says, and nothing else.
    over = has_ended or len(states) >= limit
    assert (state is SearchState.FINISHED) == (over and not unended and not failed)
    assert (state is SearchState.FAILED) == (failed and not (has_driver and unended))
    assert (state is SearchState.RUNNING) == (has_driver and (unended > 0 or (not over and not failed)))
    assert (state is SearchState.INTERRUPTED) == (not has_driver and not failed and (unended > 0 or not over))
    # And says nothing that its trials deny.
    if state in (SearchState.INTERRUPTED, SearchState.FAILED, SearchState.FINISHED):
        assert counts[TrialStatus.RUNNING] == 0
    if state in (SearchState.RUNNING, SearchState.FINISHED):
        assert counts[TrialStatus.INTERRUPTED] == 0
    for ended, most in re.findall(r"(\d+) of (\d+)", str(found)):
        assert int(ended) <= found.begun <= int(most)
