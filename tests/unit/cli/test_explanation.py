from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from hico_platform.cli.explanation import LONGEST_VALUE, libraries_of, modules_of, path_of, short, shortened


def test_a_message_is_one_line_of_limited_length() -> None:
    assert short(ValueError("first\nsecond")) == "first"
    assert short(KeyboardInterrupt("no message is read")) == "KeyboardInterrupt"
    assert short(ValueError("x" * LONGEST_VALUE)) == "x" * LONGEST_VALUE
    assert short(ValueError("x" * (LONGEST_VALUE + 1))) == "x" * LONGEST_VALUE + " ..."


def test_a_library_is_known_by_the_modules_of_its_errors() -> None:
    class Ours(sqlite3.OperationalError):
        """An error that a package derives from a library's."""

    assert libraries_of(Ours()) == {"tests", "sqlite3", "builtins"}


def test_the_module_that_raised_an_error_is_the_last() -> None:
    with pytest.raises(ValueError, match="Expecting") as raised:
        json.loads("{")
    modules = modules_of(raised.value)
    assert (modules[0], modules[-1]) == (__name__, "json.decoder")
    assert modules_of(ValueError()) == []


@pytest.mark.parametrize(
    ("file", "path"),
    [
        (None, None),
        (Path("/a"), Path("/a")),
        ("/a/b", Path("/a/b")),
        (b"/a/\xff", Path("/a/\udcff")),
        (3, None),
        ("s3://bucket/a", "s3://bucket/a"),
    ],
)
def test_the_file_that_an_error_names(file: object, path: Path | str | None) -> None:
    assert path_of(file) == path


def test_a_path_fits_a_line() -> None:
    assert shortened(None) is None
    assert shortened(Path("/a")) == Path("/a")
    assert shortened(Path("/" + "x" * LONGEST_VALUE)) == "/" + "x" * (LONGEST_VALUE - 1) + " ..."
