"""What stays text until it is looked at is what decoding all of it gives, whatever the record."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from hico_platform.errors import UsageError
from hico_platform.search.ledger.undecoded import (
    UndecodedHistory,
    UndecodedMapping,
    decoded,
    decoded_report,
    decoded_trial,
)

TRIAL = {
    "values": {"contrast.temperature": 0.1, "model.encoder": "gru"},
    "origin": "sampler",
    "began_at_s": 1.5,
    "config": {"model": {"encoder": "gru", "layers": 2}, "budget": {"epochs": 3}},
}
REPORT = {
    "epoch": 3,
    "value": 0.5,
    "metrics": {"knn_top1": 0.5},
    "history": [[1, {"loss": 2.0}], [2, {"loss": float("inf"), "decision": 1}], [3, {}]],
    "decision": "continue",
    "checkpoint": "0001/epoch-3",
    "at_s": 9.0,
    "measures": [0.5],
}
CUTS = [
    '"config": {', ', "config": {"a": 1}', "}}", ']], "', ', "history": [', ', "decision": ', "\\", "é", '"', "{", "]]",
]  # fmt: skip


def plain(value: Any) -> Any:
    """A record with its parts decoded, as JSON has it."""
    if isinstance(value, dict):
        return {
            key: dict(one) if isinstance(one, UndecodedMapping) else [list(epoch) for epoch in one]
            if isinstance(one, UndecodedHistory) else one
            for key, one in value.items()
        }  # fmt: skip
    return value


def test_a_record_as_it_is_written_is_cut() -> None:
    trial, report = decoded_trial(json.dumps(TRIAL)), decoded_report(json.dumps(REPORT))
    assert isinstance(trial["config"], UndecodedMapping)
    assert trial == TRIAL
    assert isinstance(report["history"], UndecodedHistory | list)
    assert plain(report) == REPORT
    plainer = {**REPORT, "history": [[1, {"loss": 2.0}], [2, {"loss": float("-inf")}]]}
    assert isinstance(decoded_report(json.dumps(plainer))["history"], UndecodedHistory)
    assert plain(decoded_report(json.dumps(plainer))) == plainer


def test_parts_are_what_they_stand_for() -> None:
    trial, history = decoded_trial(json.dumps(TRIAL)), UndecodedHistory('[[1, {"loss": 2.0}], [2, {}]]')
    config = trial["config"]
    assert (config, len(config), list(config), repr(config)) == (
        TRIAL["config"], 2, ["model", "budget"], repr(TRIAL["config"]),
    )  # fmt: skip
    whole = ((1, {"loss": 2.0}), (2, {}))
    assert (history, repr(history), len(history)) == (whole, repr(whole), 2)
    assert whole == history == UndecodedHistory('[[1, {"loss": 2.0}], [2, {}]]')
    assert (history[-1], history[:1], list(history)) == (whole[-1], whole[:1], list(whole))
    assert history != whole[:1]


@pytest.mark.parametrize("between", ['"value": 0.25, "new": [[]]', '"measures": [[0.5]]', '"new": "]]"'])
def test_what_stands_between_history_and_decision_is_read(between: str) -> None:
    text = json.dumps({**REPORT, "history": [[1, {"loss": 2.0}]]})
    text = text.replace(', "decision": "continue"', f', {between}, "decision": "continue"')
    assert plain(decoded_report(text)) == json.loads(text)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_a_record_is(seed: int) -> None:
    draw = random.Random(seed)
    for record, cut in ((TRIAL, decoded_trial), (REPORT, decoded_report)):
        other = changed(record, draw)
        text = json.dumps(other, ensure_ascii=draw.random() < 0.5)
        assert json.dumps(plain(cut(text)), sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_record_is_refused_then_or_when_it_is_looked_at(seed: int) -> None:
    draw = random.Random(seed)
    for record, cut in ((TRIAL, decoded_trial), (REPORT, decoded_report)):
        text = json.dumps(record)
        place = draw.randrange(len(text))
        text = draw.choice([text[:place], text[:place] + draw.choice('{}[],:"x') + text[place:], ""])
        if (whole := loaded(text)) is not None:
            assert plain(cut(text)) == whole
            continue
        with pytest.raises((json.JSONDecodeError, UsageError)):
            plain(cut(text))


def loaded(text: str) -> Any:
    """What JSON makes of it; None where it is damaged."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


@pytest.mark.parametrize(
    "part",
    [
        UndecodedMapping("{"), UndecodedMapping("[1]"),
        UndecodedHistory("[[1"), UndecodedHistory("[1]"), UndecodedHistory("{}"),
    ],
)  # fmt: skip
def test_a_damaged_part_says_so(part: UndecodedMapping | UndecodedHistory) -> None:
    with pytest.raises(
        UsageError, match=r"expected one that this version can read, got .*; use the version that wrote"
    ):
        len(part)


@pytest.mark.parametrize("text", ["3", ' {"a": 1} ', "NaN", '"x"', "null", "[]"])
def test_other_values(text: str) -> None:
    assert str(decoded(text)) == str(decoded_trial(text)) == str(decoded_report(text)) == str(json.loads(text))


def changed(record: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The record with other values, fields, or another order, as another version or somebody else may write it."""
    record = json.loads(json.dumps(record))
    for _ in range(draw.randrange(4)):
        key = draw.choice([*record, "new", "config", "history", "decision"])
        value = draw.choice(
            [
                draw.choice(CUTS), None, 3, [], {}, [[1, {"loss": 0.5, draw.choice(CUTS): 1}]], {"config": {"a": {}}},
                {draw.choice(CUTS): {draw.choice(CUTS): draw.choice(CUTS)}}, [[[1]], draw.choice(CUTS)],
            ]
        )  # fmt: skip
        how = draw.randrange(3)
        if how == 0:
            record[key] = value
        elif how == 1:
            record = {key: value, **record}
        else:
            record.pop(key, None)
    if draw.random() < 0.3:
        items = list(record.items())
        draw.shuffle(items)
        record = dict(items)
    return record
