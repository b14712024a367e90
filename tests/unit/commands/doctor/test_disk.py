from __future__ import annotations

import os
from pathlib import Path

import pytest

from hico_platform.commands.doctor import disk
from tests.unit.commands.doctor.around import around, seen

GIB = 2**30


def full(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, free: int, whole: int = 100 * GIB, inodes: int = 10**6
) -> None:
    fields = list(os.statvfs(folder))
    fields[1], fields[2], fields[4] = 4096, whole // 4096, free // 4096
    fields[5], fields[7] = 10**7, inodes
    monkeypatch.setattr("os.statvfs", lambda path: os.statvfs_result(fields))


@pytest.mark.parametrize(
    ("free", "whole", "grade"),
    [(GIB // 2, 100, "wrong"), (3 * GIB, 100, "warning"), (9 * GIB, 1000, "warning"), (50 * GIB, 100, "good")],
)
def test_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, whole: int, grade: str) -> None:
    full(monkeypatch, tmp_path, free=free, whole=whole * GIB)
    found = {about: (state, text) for about, state, text in seen(disk.check(around(tmp_path)))}
    assert found["disk"][0] == grade
    assert found["home"] == ("good", f"{tmp_path / 'home'}, which the first command makes")


def test_inodes_run_out_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, tmp_path, free=50 * GIB, inodes=5)
    assert ("inodes", "warning", "5 of 10000000 free") in seen(disk.check(around(tmp_path)))


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert ("home", "wrong", f"{tmp_path} cannot be written") in seen(disk.check(around(tmp_path)))


def test_sqlite_on_a_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(f"36 35 0:1 / {tmp_path} rw - nfs4 server:/homes rw\n")
    found = seen(disk.check(around(tmp_path, root=tmp_path, tracking="http://mlflow:5000")))
    assert ("study database", "warning", "SQLite on nfs4, where locks are slow and may fail") in found
    assert not [one for one in found if one[0] == "tracking store"], "a server"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("server:/homes 990000 900000 1000000 0 5 0 0 0", ("quota", "warning")),
        ("server:/homes 900001* 900000 1000000 6days 5 0 0 0", ("quota", "warning")),
        ("server:/homes 10 900000 1000000 0 5 0 0 0", ("quota", "good")),
    ],
)
def test_the_quota_is_what_the_systems_command_says(tmp_path: Path, line: str, expected: tuple[str, str]) -> None:
    program = tmp_path / "quota"
    program.write_text(f"#!/bin/sh\necho 'Disk quotas for user me (uid 1):'\necho '{line}'\nexit 1\n")
    program.chmod(0o755)
    (found,) = seen(disk.check_quota(around(tmp_path, PATH=str(tmp_path))))
    assert found[:2] == expected
    assert not list(disk.check_quota(around(tmp_path, PATH="/nowhere")))
