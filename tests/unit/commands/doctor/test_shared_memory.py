from __future__ import annotations

import os
from pathlib import Path

import pytest

from hico_platform.commands.doctor import shared_memory
from tests.unit.commands.doctor.around import around, seen

MIB = 2**20


@pytest.mark.parametrize(("free", "grade"), [(64 * MIB, "wrong"), (256 * MIB, "warning"), (1024 * MIB, "good")])
def test_what_is_free_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, grade: str) -> None:
    (tmp_path / "dev/shm").mkdir(parents=True)
    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[1], fields[4] = 4096, free // 4096
    monkeypatch.setattr("os.statvfs", lambda path: os.statvfs_result(fields))
    (found,) = seen(shared_memory.check(around(tmp_path, root=tmp_path)))
    assert found[:2] == ("/dev/shm", grade)


def test_none_is_wrong(tmp_path: Path) -> None:
    (found,) = shared_memory.check(around(tmp_path, root=tmp_path))
    assert (str(found.grade), found.found) == ("wrong", "not there (No such file or directory)")
