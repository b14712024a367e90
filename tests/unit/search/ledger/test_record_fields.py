"""A field of a record that holds another type is a data error that names record and field, wherever it is read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hico_platform.cli.main import main
from hico_platform.errors import DataError, HicoError
from hico_platform.search.ledger import record_fields
from hico_platform.search.ledger.record_fields import check_record, checked_note
from hico_platform.search.ledger.serialization import ending_to_plain, facts_to_plain, readable, report_to_plain
from hico_platform.search.ledger.study_records import search_record, trial_record_of
from tests.toy import FACTS
from tests.unit.search.ledger.test_serialization import ENDING, NOISY_REPORT
from tests.unit.search.ledger.test_study_records import SEARCH, TRIAL

REPORT = {**report_to_plain(NOISY_REPORT), "machine": "a"}
WRONG: tuple[Any, ...] = (None, True, "text", -3, 0.5, float("nan"), 10**400, [], [None], [[1]], {}, {"a": [1]})
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], Callable[[Any], object]]] = {
    "search": (SEARCH, record_fields.SEARCH, lambda one: search_record("toy", {"search": one})),
    "facts": (
        facts_to_plain(FACTS), record_fields.FACTS,
        lambda one: search_record("toy", {"search": {**SEARCH, "facts": one}}),
    ),
    "trial 7": ({**TRIAL}, record_fields.TRIAL, lambda one: trial_record_of(7, {"trial": one})),
    "trial 7, report 3": (
        REPORT, record_fields.REPORT, lambda one: trial_record_of(7, {"trial": TRIAL, "report:3": one}),
    ),
    "trial 7, ending": (
        ending_to_plain(ENDING), record_fields.ENDING,
        lambda one: trial_record_of(7, {"trial": TRIAL, "ending": one}),
    ),
}  # fmt: skip


def refusal(read: Callable[[], object]) -> HicoError | None:
    """What reading something raises."""
    try:
        read()
    except HicoError as error:
        return error
    return None


@pytest.mark.parametrize("record", KINDS)
def test_every_field_has_a_rule_and_every_wrong_value_names_record_and_field(record: str) -> None:
    plain, rules, read_plain = KINDS[record]
    assert set(plain) <= set(rules)

    def read(one: object) -> None:
        with readable("toy", written_by="1"):
            read_plain(one)

    read(plain)
    named = 0
    for name in plain:
        for value in WRONG:
            error = refusal(lambda name=name, value=value: read({**plain, name: value}))  # type: ignore[misc]
            if isinstance(error, DataError):
                (problem,) = error.problems
                assert (problem.file, error.exit_code) == ("search toy", 3)
                assert problem.field in (f"{record}: {name}", name)
                assert "study database" in str(problem.remedy)
                assert len(str(error)) < 400
                named += 1
            elif error is not None:  # a word that a newer version may have, or a field that another version has not
                assert (name, error.exit_code) in {(one, 2) for one in ("decision", "state", "origin", "facts")}
    assert named >= 5 * len(plain)
    with pytest.raises(DataError, match=rf"search toy: (search: )?{record}: expected fields by name, got \[1\]"):
        read([1])


def test_what_a_history_may_hold() -> None:
    losses = {"loss": 1.5, "sequences_per_s": float("nan"), "system/memory": 3}
    for history in ([], [[1, {}]], [[1, losses], [2, losses]]):
        check_record("report", {"history": history}, record_fields.REPORT)
    for history in ([[1]], [[1, losses, 2]], [["1", losses]], [[1, {"loss": "2"}]], [[1, {"loss": None}]], {}):
        with pytest.raises(DataError, match="report: history: expected a list of epochs"):
            check_record("report", {"history": history}, record_fields.REPORT)


@pytest.mark.parametrize("key", record_fields.NOTES)
def test_a_note_of_another_type_is_named(key: str) -> None:
    assert checked_note(key, None) is None
    errors = [refusal(lambda value=value: checked_note(key, value)) for value in WRONG]  # type: ignore[misc]
    assert {error.problems[0].field for error in errors if error} == {f"note {key}"}
    assert sum(error is not None for error in errors) >= 8
    assert checked_note("a note of a newer version", [1, {}]) == [1, {}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "at", "named"),
    [
        ("search", "limit", "search toy: search: limit: expected a whole number from 0"),
        ("report:3", "value", "search toy: trial 0, report 3: value: expected a number"),
        ("ending", "at_s", "search toy: trial 0, ending: at_s: expected a time"),
        ("trial", "values", "search toy: trial 0: values: expected"),
        ("note:sessions", None, "search toy: note sessions: expected a list"),
    ],
)
def test_commands_end_with_the_record_and_a_list_has_the_other_searches(
    home: Path, key: str, at: str | None, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "study_user_attributes" if key in ("search", "note:sessions") else "trial_user_attributes"
    with sqlite3.connect(home / "study.db") as connection:
        select = f"SELECT value_json, {table.removesuffix('s')}_id FROM {table} WHERE key = ? ORDER BY 2"
        text, row = connection.execute(select, (key,)).fetchone()
        content = "text" if at is None else {**json.loads(text), at: ["x"]}
        update = f"UPDATE {table} SET value_json = ? WHERE {table.removesuffix('s')}_id = ?"
        connection.execute(update, (json.dumps(content), row))
    connection.close()
    for words in (["status", "toy"], ["show", "toy", "--json"], ["export", "toy", "--csv", str(home / "a.csv")]):
        assert main([*words, "--home", str(home)]) == 3, words
        said = capsys.readouterr()
        assert named in said.err or named.partition(": ")[2].partition(": expected")[0] in said.out
        assert "report it" not in said.err
    assert main(["list", "--json", "--home", str(home)]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["error"] is None or listed["error"].startswith("search toy: ")
