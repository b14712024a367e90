"""How the error that ended a command is shown."""

from __future__ import annotations

import argparse
import builtins
import errno
import json
import os
import sys
from pathlib import Path

import pytest

from hico_platform.cli.failure import known_secrets, show_failure
from hico_platform.cli.main import main
from hico_platform.errors import DataError, HicoError, Problem
from tests.unit.cli.test_explain import one_line


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{"command": "status", "words": (), "json": False, "traceback": False, **given})


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    from hico_platform.cli import schema

    def run(arguments: object) -> int:
        raise error

    monkeypatch.setattr(schema, "run", run)


def test_the_traceback_is_shown_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, TypeError("no at postgresql://me:s3cr3t@host"))
    assert main(["schema"]) == 1
    assert "report it" in one_line(capsys)
    assert main(["schema", "--traceback"]) == 1
    asked = capsys.readouterr().err
    assert "Traceback (most recent call last)" in asked
    assert "s3cr3t" not in asked
    monkeypatch.setenv("HICO_TRACEBACK", "1")
    assert main(["schema"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_problems_are_json_where_the_result_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.db").write_bytes(b"")
    assert main(["status", "--json", "--home", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["errors"][0]["value"] == "an empty file"
    assert printed.err == ""


def test_control_characters_do_not_reach_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, HicoError(Problem(rule="\x1b]0;owned\x07 \x9b2J \u202eevil [/x]", remedy=None)))
    main(["schema"])
    shown = one_line(capsys)
    assert shown.isprintable()
    assert "[/x]" in shown


def test_a_closed_connection_is_no_closed_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert main(["schema"]) == 1
    assert "Broken pipe" in one_line(capsys)


def test_secrets_of_options_are_masked_wherever_they_come_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def look(places: object) -> None:
        raise ValueError("login as me with pass word failed")

    monkeypatch.setattr("hico_platform.cli.status.searches", look)
    url = "postgresql://me:pass word@host/db"
    assert main(["status", "--home", str(tmp_path), "--storage", url, "--traceback"]) == 1
    printed = capsys.readouterr()
    assert "word" not in printed.err.replace("password", "")


def test_a_reader_that_has_gone_is_no_error(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main(["schema"]) == 0
    assert capfd.readouterr().err == ""


def test_stdout_on_a_full_disk(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["schema"]) == 1
        full.flush()  # as at the process's end: what could not be written is dropped, not complained of again
    assert "error: standard output: expected free space on the disk" in capfd.readouterr().err


def test_stdout_on_a_full_disk_where_ray_prints(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    from ray.experimental import tqdm_ray

    monkeypatch.setattr(tqdm_ray, "_manager", tqdm_ray._BarManager())
    monkeypatch.setattr(builtins, "print", tqdm_ray.safe_print)  # as in any process that was a driver of Ray
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["schema"]) == 1
        full.flush()
    assert "error: standard output: expected free space on the disk" in capfd.readouterr().err


def test_every_problem_is_a_line_and_the_code_is_the_errors(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [Problem(file=Path("/a"), rule=f"rule {number}", value=number, remedy=None) for number in (1, 2)]
    assert show_failure(DataError(problems), options(), home=None) == 3
    assert capsys.readouterr().err.splitlines() == [
        "error: /a: expected rule 1, got 1",
        "error: /a: expected rule 2, got 2",
    ]


def test_secrets_are_those_of_addresses_and_of_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HICO_STORAGE", "MLFLOW_TRACKING_URI", "PGPASSWORD", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-aws")
    monkeypatch.setenv("HICO_STORAGE", "postgresql://me:of-the-variable@host/db")
    given = options(storage="postgresql://me:of-the-option@host/db", data=Path("/data"), tracking=None)
    assert {"of-the-option", "of-the-variable", "of-aws"} <= set(known_secrets(given))
    assert "" not in known_secrets(given)


def test_secrets_are_masked_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    given = options(json=True, storage="postgresql://me:s3cr3t-word@host/db")
    error = HicoError(Problem(field="storage", rule="a database", value="login with s3cr3t-word failed", remedy=None))
    assert show_failure(error, given, home=None) == 1
    printed = capsys.readouterr()
    (problem,) = json.loads(printed.out)["errors"]
    assert "s3cr3t" not in printed.out + printed.err
    assert problem["value"].startswith("login with ")


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"data": "/data/ntu"}, "/data/ntu/x", 3),
        ({"raw": Path("/data/raw")}, "/data/raw/x", 3),
        ({"data": "s3://bucket/data"}, "/data/ntu/x", 2),
        ({}, "/data/ntu/x", 2),
    ],
)
def test_what_is_wrong_with_input_data_is_an_error_of_data(
    given: dict[str, object], path: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_failure(FileNotFoundError(errno.ENOENT, "No such file", path), options(**given), home=None) == code
    assert f"error: {path}: expected an existing file or folder" in capsys.readouterr().err


def test_the_variable_that_asks_for_a_traceback_may_say_no(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for value, shown in (("", False), ("0", False), ("1", True)):
        monkeypatch.setenv("HICO_TRACEBACK", value)
        show_failure(TypeError("no"), options(), home=None)
        assert ("TypeError: no\n" in capsys.readouterr().err) is shown
