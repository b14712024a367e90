"""Puts values of a wrong type into the records of a ledger: each command shows what it can, or says which record.

    python -m tests.fuzz.fuzz_ledger [--seed 0] [--share 1.0]

Every field of every record of a search (its own, reports, endings, notes, drivers, tags, requests) gets each of the
values below, and every command that reads a ledger is run on it, in this process. It ends with exit code 0, with 3
and a message that names record and field, or with 2 and the versions. A failure prints the field, value and output.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hico_platform.cli.main import main as command
from hico_platform.search.drivers import this_driver
from hico_platform.search.heartbeat import DRIVER
from hico_platform.search.ledger.base import Ending, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.notes import (
    ARCHIVED,
    CHECKPOINTS,
    ENDED_BY,
    ENQUEUED,
    EXCLUDED_MACHINES,
    GPUS,
    LIMIT_BEFORE,
    PAUSED,
    PAUSES,
    PERSONS_NOTE,
    SESSIONS,
    TRIAL_MACHINES,
)
from hico_platform.search.requests import Answer, RequestKind, new_request
from hico_platform.search.tags import TagRecord
from tests.toy import FACTS
from tests.unit.cli.test_search import SPACE, carry_out
from tests.unit.search.ledger.contract import report

WRONG: tuple[Any, ...] = (None, True, "text", "", -3, 0.5, float("nan"), 10**400, [], [None], [[1]], {}, {"a": None})
COMMANDS = (
    ("list",), ("list", "--json"), ("status", "toy"), ("status", "toy", "--json"), ("status",), ("show", "toy"),
    ("show", "toy", "0"), ("show", "toy", "--json"), ("best", "toy"), ("compare", "toy", "toy"),
    ("export", "toy", "--csv", "{out}.csv"), ("export", "toy", "--json", "{out}.json"), ("gc", "toy", "--dry-run"),
    ("delete", "toy", "--dry-run"), ("tag", "toy", "fine"), ("note", "toy", "fine"),
    ("report", "toy", "--out", "{out}.html"),
    ("pause", "toy"), ("extend", "toy", "--trials", "1"), ("retrain", "toy", "--data", "{out}-none"),
)  # fmt: skip
TABLES = ("study_user_attributes", "trial_user_attributes")


NOTES: dict[str, Any] = {
    SESSIONS: [1.0, 5.0], ENDED_BY: "its time is up", ENQUEUED: [{"contrast.temperature": 0.1}], GPUS: 0.5,
    EXCLUDED_MACHINES: [{"host": "a", "reason": "b", "trials": [1], "at_s": 5.0}],
    PERSONS_NOTE: {"text": "a", "by": "b", "at_s": 1.0}, PAUSED: {"search": False, "trials": [1]},
    CHECKPOINTS: {"url": "file:///nowhere/hico", "folder": "toy-1"}, TRIAL_MACHINES: {"a": [1]},
    PAUSES: {"1": [[1.0, 2.0]]}, LIMIT_BEFORE: {"key": "a", "limit": 5}, ARCHIVED: None,
    DRIVER: {"host": "a", "pid": 1, "at_s": 1.0},
}  # fmt: skip


def home_with_records(home: Path) -> Path:
    """A home whose search has records of every kind, and trials in every state."""
    storage = open_storage(sqlite_url(home / "study.db"))
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=7, at_s=0.0)
    carry_out(ledger, home / "searches" / "toy" / "trials", lambda event: None, fail=4)
    ledger.reopen(source=ledger.search.source, limit=9)
    running = ledger.begin(SPACE, at_s=9.0)
    ledger.record_report(running.number, report(3, 0.2))
    failed = Ending(state=TrialState.FAILED, epoch=1, at_s=9.0, reason="no")
    ledger.record_ending(ledger.begin(SPACE, at_s=9.0).number, failed)
    for _ in range(2):
        ledger.record_driver(this_driver(command="hico-platform search"))
    ledger.set_tag(TagRecord(name="paper", by="ann", at_s=1.0))
    asked = new_request(RequestKind.ADD, trial=1, values={"contrast.temperature": 0.2}, count=1)
    ledger.record_request(asked)
    ledger.record_answer(asked.key, Answer(obeyed=True, says="done", at_s=5.0, driver="a:1"))
    for key, value in NOTES.items():
        ledger.set_note(key, value)
    return home


class Fields:
    """The attributes of a search in a database, and the fields in them."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def records(self) -> Iterator[tuple[str, int, str, Any]]:
        """Table, row, key and content of each attribute; of trials, those of the first and one that runs."""
        with contextlib.closing(sqlite3.connect(self._database)) as connection:
            for table in TABLES:
                name = f"{table.removesuffix('s')}_id"
                for row, key, value in connection.execute(f"SELECT {name}, key, value_json FROM {table} ORDER BY 1"):
                    yield table, row, key, json.loads(value)

    def write(self, table: str, row: int, content: Any) -> None:
        """Replaces an attribute."""
        with contextlib.closing(sqlite3.connect(self._database)) as connection, connection:
            name = f"{table.removesuffix('s')}_id"
            connection.execute(f"UPDATE {table} SET value_json = ? WHERE {name} = ?", (json.dumps(content), row))


def places(content: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a record, itself first; of a list, the first value alone."""
    yield at
    if isinstance(content, dict):
        for key, value in content.items():
            yield from places(value, (*at, key))
    elif isinstance(content, list) and content:
        yield from places(content[0], (*at, 0))


def replaced(content: Any, at: tuple[Any, ...], value: Any) -> Any:
    """The same record with another value there."""
    if not at:
        return value
    copied = dict(content) if isinstance(content, dict) else list(content)
    copied[at[0]] = replaced(content[at[0]], at[1:], value)
    return copied


def run(words: tuple[str, ...], *, home: Path) -> tuple[int, str]:
    """The exit code of a command in this process, and what it wrote."""
    out = str(home / "out")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = command([*(word.replace("{out}", out) for word in words), "--home", str(home)])
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
    return code, said.getvalue()


def is_explained(code: int, said: str) -> bool:
    """Whether a command ended as it may: well, or with a message that is no report of a bug."""
    return code in (0, 1, 2, 3) and "report it" not in said and "Traceback" not in said


def failures(home: Path, *, draw: random.Random, share: float) -> Iterator[str]:
    """What broke, in words; ``share`` of all combinations is tried."""
    fields = Fields(home / "study.db")
    seen: set[tuple[str, str, tuple[Any, ...]]] = set()
    for table, row, key, content in list(fields.records()):
        kind = key.rstrip("0123456789")
        for at in places(content):
            named = tuple("*" if isinstance(step, int) else step for step in at)
            if (table, kind, named) in seen:
                continue
            seen.add((table, kind, named))
            for value in WRONG:
                if draw.random() > share:
                    continue
                fields.write(table, row, replaced(content, at, value))
                for words in COMMANDS:
                    code, said = run(words, home=home)
                    if not is_explained(code, said):
                        shown = " ".join(said.split())[-400:]
                        yield f"{table} {key} {at} = {str(value)[:20]!r}: {' '.join(words)}: {code}: {shown}"
            fields.write(table, row, content)


def main() -> int:
    """Tries all, or a share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = home_with_records(Path(folder))
        count = 0
        for failure in failures(home, draw=random.Random(arguments.seed), share=arguments.share):
            count += 1
            sys.stdout.write(f"{failure}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{count} commands failed unexplained\n")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
