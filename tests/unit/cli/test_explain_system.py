from __future__ import annotations

import errno
import re
import sqlite3
from pathlib import Path

import pytest

from hico_platform.cli.explain import Scene, explain

SCENE = Scene(home=Path("/etc"), study=Path("/etc/study.db"), tracking="http://t", data=(Path("/usr"),))


def explained(error: BaseException, code: int, scene: Scene = SCENE) -> str:
    found = explain(error, scene)
    assert found.exit_code == code, found
    (problem,) = found.problems
    return str(problem)


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/etc/hosts"),
            2,
            "/etc/hosts: expected .*this user may use, got 'Permission",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/usr/bin"), 3, "/usr/bin: .*this user may use"),
        (
            OSError(errno.EROFS, "Read-only file system", "/etc/hosts"),
            2,
            "give another: its file system is read-only; the home is given by",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/usr/bin/x"),
            3,
            "/usr/bin: expected a folder that this user may",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file", "/usr/x"), 3, "/usr/x: expected an existing file or folder"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a/x"), 2, "/a/x: expected an existing .*, or make it$"),
        (OSError(errno.ENOSPC, "No space left", "/etc/hosts"), 1, "/etc/hosts: expected free space on the disk"),
        (OSError(errno.EDQUOT, "Quota exceeded", "/a"), 1, "/a: expected free space on the disk"),
        (OSError(errno.EIO, "Input/output error"), 1, "a disk that reads and writes"),
        (OSError(errno.EIO, "Input/output error", "/usr/x"), 1, "/usr/x: expected a disk that reads and writes"),
        (OSError(errno.EMFILE, "Too many open files"), 1, "ulimit -n"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "memory enough"),
        (OSError(errno.EXDEV, "Invalid link", "/a"), 1, "/a: expected a request that the operating system carries out"),
        (OSError("no number"), 1, "that the operating system carries out, got 'no number'"),
        (OSError(errno.ENOENT, "No such file", 3), 2, "^expected an existing file or folder"),
        (OSError(errno.ENAMETOOLONG, "Too long", "/" + "x" * 999), 2, r"^/x{299} \.\.\.: expected a path that"),
        (MemoryError(), 1, "memory enough"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), 3, "text in UTF-8"),
        (ModuleNotFoundError("No module named 'cmaes'", name="cmaes"), 1, "the package cmaes, installed whole"),
        (ImportError("cannot import it"), 1, "the package a package"),
        (ModuleNotFoundError("No module", name="hico_platform.none"), 1, "an error that hico-platform knows"),
    ],
)
def test_each_is_explained(error: Exception, code: int, shown: str) -> None:
    text = explained(error, code)
    assert re.search(shown, text), text


def test_out_of_memory_on_a_gpu_is_known_by_the_name_of_its_class() -> None:
    error = type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch"})("CUDA out of memory")
    assert "lower budget.batch_size" in explained(error, 1)


def test_the_file_is_that_of_whichever_error_names_one() -> None:
    inner = FileNotFoundError(errno.ENOENT, "No such file", "/a/x")
    outer = OSError(errno.ENOENT, "No such file")
    outer.__cause__ = inner
    assert explained(outer, 2).startswith("/a/x: ")


def test_a_full_disk_without_a_name_is_that_of_the_database_or_of_the_output() -> None:
    full = OSError(errno.ENOSPC, "No space left")
    assert explained(full, 1).startswith("/etc: ")
    assert explained(full, 1, Scene(home=Path("/etc"), out=Path("/out"))).startswith("/out: ")
    assert explained(sqlite3.OperationalError("database or disk is full"), 1).startswith("/etc/study.db: ")


def test_a_full_disk_behind_standard_output_is_named_so() -> None:
    error = OSError(errno.ENOSPC, "No space left")
    with pytest.raises(OSError, match="No space"):
        exec("raise error", {"__name__": "rich.console", "error": error})
    assert explained(error, 1).startswith("standard output: ")
