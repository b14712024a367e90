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


def every_search() -> list[tuple[tuple[TrialState, ...], int, bool, bool]]:
    """Up to three trials of every state, limits around their number, with and without a driver and an end."""
    return [
        (states, limit, has_driver, has_ended)
        for count in range(4)
        for states in itertools.combinations_with_replacement(TrialState, count)
        for limit in (1, 2, 3, 4)
        for has_driver in (False, True)
        for has_ended in (False, True)
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


@pytest.mark.parametrize(("states", "limit", "has_driver", "has_ended"), every_search())
def test_every_search_has_one_state_that_agrees_with_its_trials(
    states: tuple[TrialState, ...], limit: int, has_driver: bool, has_ended: bool
) -> None:
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


def words(states: str, *, limit: int, has_driver: bool) -> str:
    kinds = {"c": TrialState.COMPLETE, "p": TrialState.PRUNED, "f": TrialState.FAILED, "r": TrialState.RUNNING}
    trials = records(tuple(kinds[one] for one in states))
    return str(search_progress(trials, limit=limit, max_failures=1, has_driver=has_driver, has_ended=False))


@pytest.mark.parametrize(
    ("states", "limit", "has_driver", "said"),
    [
        ("cprr", 20, True, "running, 2 of 20 trials ended, 2 running"),
        ("cprr", 20, False, "interrupted, 2 of 20 trials ended, 2 interrupted"),
        ("ccp", 2, False, "finished, 3 trials ended, limit 2"),
        ("crr", 2, True, "running, 1 trial ended, limit 2, 2 running"),
        ("cf", 2, False, "finished, 2 of 2 trials ended"),
        ("ff", 9, False, "failed, 2 of 9 trials ended"),
        ("ffr", 9, True, "running, 2 of 9 trials ended, 1 running"),
        ("ffr", 9, False, "failed, 2 of 9 trials ended, 1 interrupted"),
        ("", 1, False, "interrupted, 0 of 1 trial ended"),
    ],
)
def test_in_words(states: str, limit: int, has_driver: bool, said: str) -> None:
    assert words(states, limit=limit, has_driver=has_driver) == said
