from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from hico_platform.errors import HicoError
from hico_platform.search.disk_full import explain_disk_full, is_full


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (ValueError("no"), False),
    ],
)
def test_what_is_behind_an_error(error: Exception, full: bool) -> None:
    assert is_full(error) is full
    wrapped = RuntimeError("storage")
    wrapped.__cause__ = error
    assert is_full(wrapped) is full


def test_errors_that_name_each_other_as_causes_come_to_an_end() -> None:
    one, other = RuntimeError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert not is_full(one)


def test_it_is_said_with_the_remedy(tmp_path: Path) -> None:
    with (
        pytest.raises(HicoError, match=r"free space on the disk, got .*free some space.*--resume"),
        explain_disk_full(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), explain_disk_full(tmp_path):
        raise ValueError("mine")
