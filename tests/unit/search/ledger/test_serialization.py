"""What the database holds of a search: these texts are read by every later version, and must not change."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hico_platform.enums import Decision
from hico_platform.errors import UsageError
from hico_platform.search.drivers import MOST_OF_A_COMMAND, UNKNOWN, DriverRecord
from hico_platform.search.ledger.base import Ending, Facts, ReportRecord, TrialState
from hico_platform.search.ledger.serialization import (
    driver_from_plain,
    driver_to_plain,
    ending_from_plain,
    ending_to_plain,
    facts_from_plain,
    facts_to_plain,
    readable,
    report_from_plain,
    report_to_plain,
)

REPORT = ReportRecord(
    epoch=3,
    value=0.5,
    metrics={"knn_top1": 0.5, "parameters": 1e6},
    history=((2, {"loss": 1.5}), (3, {"loss": 1.25})),
    decision=Decision.STOP,
    checkpoint=Path("0007/epoch-000003"),
    at_s=12.5,
    measures=(0.5, 1e6),
)
REPORT_TEXT = (
    '{"epoch": 3, "value": 0.5, "metrics": {"knn_top1": 0.5, "parameters": 1000000.0}, '
    '"history": [[2, {"loss": 1.5}], [3, {"loss": 1.25}]], "decision": "stop", '
    '"checkpoint": "0007/epoch-000003", "at_s": 12.5, "measures": [0.5, 1000000.0]}'
)
NOISY_REPORT = dataclasses.replace(REPORT, standard_errors={"knn_top1": 0.03}, standard_error=0.03)
NOISY_REPORT_TEXT = REPORT_TEXT[:-1] + ', "standard_errors": {"knn_top1": 0.03}, "standard_error": 0.03}'
ENDING = Ending(
    state=TrialState.FAILED, epoch=3, at_s=12.5, reason="ValueError: no", traceback="Traceback ...", excused=True
)
ENDING_TEXT = (
    '{"state": "failed", "epoch": 3, "at_s": 12.5, "metrics": {}, "checkpoint": null, "reason": "ValueError: no", '
    '"traceback": "Traceback ...", "excused": true}'
)
FACTS = Facts(data_digest="d", protocol="xsub", code_version="1", seed=4, more={"dataset": "small"})
FACTS_TEXT = '{"data_digest": "d", "protocol": "xsub", "code_version": "1", "seed": 4, "more": {"dataset": "small"}}'
DRIVER = DriverRecord(
    user="ann",
    uid=7,
    host="node1",
    pid=12,
    command="hico-platform search",
    began_at_s=1.5,
    resumed=True,
    took_over_from="bob",
)
DRIVER_TEXT = (
    '{"user": "ann", "uid": 7, "host": "node1", "pid": 12, "command": "hico-platform search", "began_at_s": 1.5, '
    '"resumed": true, "took_over_from": "bob"}'
)


@pytest.mark.parametrize(
    ("record", "text", "to_plain", "from_plain"),
    [
        (REPORT, REPORT_TEXT, report_to_plain, report_from_plain),
        (NOISY_REPORT, NOISY_REPORT_TEXT, report_to_plain, report_from_plain),
        (ENDING, ENDING_TEXT, ending_to_plain, ending_from_plain),
        (FACTS, FACTS_TEXT, facts_to_plain, facts_from_plain),
        (DRIVER, DRIVER_TEXT, driver_to_plain, driver_from_plain),
    ],
)
def test_every_record_has_one_text(record: object, text: str, to_plain, from_plain) -> None:
    assert json.dumps(to_plain(record)) == text
    assert from_plain(json.loads(text)) == record


def test_fields_of_a_newer_version_are_left_out() -> None:
    assert report_from_plain({**json.loads(REPORT_TEXT), "mood": "good"}) == REPORT


def test_a_report_of_a_version_with_one_objective_has_no_measures() -> None:
    plain = json.loads(REPORT_TEXT)
    del plain["measures"]
    assert report_from_plain(plain).measures == ()


def test_a_value_of_a_newer_version_is_an_error_that_names_it() -> None:
    with (
        pytest.raises(
            UsageError, match=r"a search that this version can read, .*'pause'.* the version that wrote it \(9\.9\)"
        ),
        readable("mine", written_by="9.9"),
    ):
        report_from_plain({**json.loads(REPORT_TEXT), "decision": "pause"})


@pytest.mark.parametrize("plain", [None, [], {"pid": True, "uid": "7", "began_at_s": 10**400, "user": 3}])
def test_a_driver_that_cannot_be_read_is_unknown(plain: object) -> None:
    driver = driver_from_plain(plain)
    assert (driver.user, driver.uid, driver.pid, driver.began_at_s) == (UNKNOWN, None, None, 0.0)


def test_a_command_is_kept_longer_than_a_name_and_both_have_an_end() -> None:
    plain = {**driver_to_plain(DRIVER), "user": "u" * 9000, "command": "c" * 9000, "took_over_from": None}
    driver = driver_from_plain(plain)
    assert (len(driver.user), len(driver.command), driver.took_over_from) == (255, MOST_OF_A_COMMAND, None)
