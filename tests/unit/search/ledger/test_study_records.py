"""The records of a search from the attributes under which every version has kept them."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from hico_platform.enums import Decision
from hico_platform.errors import UsageError
from hico_platform.search.ledger.base import Ending, Origin, SearchRecord, TrialRecord, TrialState
from hico_platform.search.ledger.serialization import driver_to_plain, ending_to_plain, facts_to_plain, report_to_plain
from hico_platform.search.ledger.study_records import check_objectives, driver_records, search_record, trial_record
from tests.toy import FACTS
from tests.unit.search.ledger.contract import ending, report
from tests.unit.search.ledger.test_serialization import DRIVER

SEARCH = {"source": {"name": "toy"}, "facts": facts_to_plain(FACTS), "limit": 6, "began_at_s": 5.0, "key": "k" * 32}
TRIAL = {"values": {"contrast.temperature": 0.1}, "origin": "warm start", "began_at_s": 7.0, "config": {"a": 1}}


def frozen(number: int, **attributes: Any) -> optuna.trial.FrozenTrial:
    """A trial as Optuna has it."""
    trial = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, user_attrs=attributes)
    trial.number = number
    return trial


def test_a_search() -> None:
    assert search_record("toy", {"search": SEARCH}) == SearchRecord(
        name="toy", source={"name": "toy"}, facts=FACTS, limit=6, began_at_s=5.0, key="k" * 32
    )


def test_a_search_of_a_version_without_keys() -> None:
    assert search_record("toy", {"search": {**SEARCH, "key": "x"}}).key == "x"
    assert search_record("toy", {"search": {key: SEARCH[key] for key in SEARCH if key != "key"}}).key == ""


@pytest.mark.parametrize(
    ("content", "version"),
    [
        ({**SEARCH, "facts": {"code_version": "9.9"}}, "9.9"),
        ({key: SEARCH[key] for key in SEARCH if key != "limit"}, "test"),
        ({**SEARCH, "facts": {}}, "unknown"),
    ],
)
def test_a_search_that_cannot_be_read_names_itself_and_who_wrote_it(content: object, version: str) -> None:
    with pytest.raises(
        UsageError, match=rf"toy: expected a search that this version can read, .*wrote it \({version}\)"
    ):
        search_record("toy", {"search": content})


def test_drivers_come_by_number_up_to_the_first_that_is_missing() -> None:
    plain = [{**driver_to_plain(DRIVER), "pid": number} for number in range(13)]
    attributes = {f"driver:{number}": plain[number] for number in reversed(range(12))}
    assert [driver.pid for driver in driver_records(attributes)] == list(range(12))
    assert [driver.pid for driver in driver_records({**attributes, "driver:13": plain[12]})] == list(range(12))
    assert driver_records({"driver:1": plain[1]}) == ()


def test_a_running_trial_has_its_reports_by_epoch() -> None:
    reports = [report(9, 0.3, Decision.STOP), report(1, 0.1), report(3, 0.2)]
    attributes = {f"report:{one.epoch}": report_to_plain(one) for one in reports}
    assert trial_record(frozen(4, trial=TRIAL, **attributes), "run-4") == TrialRecord(
        number=4,
        state=TrialState.RUNNING,
        values={"contrast.temperature": 0.1},
        origin=Origin.WARM_START,
        began_at_s=7.0,
        config={"a": 1},
        reports=(report(1, 0.1), report(3, 0.2), report(9, 0.3, Decision.STOP)),
        ending=None,
        run_id="run-4",
    )


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED])
def test_a_trial_that_ended_has_the_state_of_its_ending_whatever_optuna_says(state: TrialState) -> None:
    kept: Ending = ending(state)
    record = trial_record(frozen(0, trial=TRIAL, ending=ending_to_plain(kept)), None)
    assert (record.state, record.ending, record.run_id) == (state, kept, None)


def test_a_trial_of_a_version_that_kept_no_configuration() -> None:
    assert trial_record(frozen(0, trial={key: TRIAL[key] for key in TRIAL if key != "config"}), None).config is None


def test_a_search_keeps_its_objectives_and_their_order() -> None:
    check_objectives({}, {"objectives": ["knn_top1"]})
    check_objectives({"objectives": ["knn_top1"]}, {})
    both = ["knn_top1", "parameters"]
    check_objectives({"objectives": both}, {"objectives": both})
    for before, now in (([], both), (both, both[::-1]), (both, ["knn_top1"])):
        with pytest.raises(UsageError, match=r"objectives: expected the same as when the search began"):
            check_objectives({"objectives": before}, {"objectives": now})
