"""Commands that print tables on a terminal of plain letters."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.cli.plain_output import plain_where_needed
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from tests.toy import FACTS
from tests.unit.cli.test_search import SPACE, carry_out

COMMANDS = [
    ["list"],
    ["status", "toy"],
    ["status"],
    ["show", "toy"],
    ["show", "toy", "0"],
    ["compare", "toy", "other"],
    ["best", "toy"],
    ["gc", "toy", "--keep", "best=1", "--dry-run"],
    ["delete", "toy", "--dry-run"],
    ["help", "scores"],
    ["data", "layouts"],
    ["compare", "--help"],
]


class Kept(io.BytesIO):
    """What was written stays when the streams on it are closed."""

    def close(self) -> None:
        """Does nothing."""


@pytest.fixture
def noisy(home: Path) -> Path:
    """The home, with a second search, and with a standard error of every score."""
    storage = open_storage(sqlite_url(home / "study.db"))
    ledger = StudyLedger.create(storage, name="other", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
    carry_out(ledger, home / "searches" / "other" / "trials", lambda event: None)
    with sqlite3.connect(home / "study.db") as connection:
        connection.execute(
            "UPDATE trial_user_attributes SET value_json = json_patch(value_json, ?) WHERE key LIKE 'report:%'",
            ('{"standard_error": 0.02, "standard_errors": {"knn_top1": 0.02}}',),
        )
    connection.close()
    return home


def written(encoding: str, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command writes on streams of an encoding, read back."""
    raw = Kept()
    with monkeypatch.context() as patched:
        for name in ("stdout", "stderr"):
            patched.setattr(sys, name, io.TextIOWrapper(raw, encoding=encoding, write_through=True))
        try:
            code = main([*words])
        except SystemExit as error:
            code = int(error.code or 0)
    assert code == 0, raw.getvalue()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_table_is_printed(encoding: str, words: list[str], noisy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_HOME", str(noisy))
    said = written(encoding, words, monkeypatch)
    assert said.strip()
    assert "UnicodeEncodeError" not in said
    assert said.isascii() or encoding != "ascii"


def test_what_an_encoding_lacks_is_replaced_and_the_stream_is_as_before() -> None:
    raw = io.BytesIO()
    with pytest.MonkeyPatch.context() as patched:
        stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
        patched.setattr(sys, "stdout", stream)
        with plain_where_needed():
            stream.write("0.5±0.1 … ▁█ é \U0001f600")
        assert stream.errors == "strict"
        with pytest.raises(UnicodeEncodeError):
            stream.write("±")
        assert raw.getvalue() == rb"0.5+-0.1 ... _# \xe9 \U0001f600"


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}]
)
def test_in_a_process_of_its_own(variables: dict[str, str], noisy: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hico_platform", "compare", "toy", "other", "--home", str(noisy)],
        env={**os.environ, **variables}, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"+-" in done.stdout
