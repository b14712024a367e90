from __future__ import annotations

import resource
from pathlib import Path

import pytest

from hico_platform.commands.doctor import file_limits
from tests.unit.commands.doctor.around import around

NONE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "grade", "remedy"),
    [
        ((256, 65536), "wrong", "raise it: ulimit -n 4096"),
        ((1024, 65536), "warning", "raise it: ulimit -n 4096"),
        ((1024, 2048), "warning", "raise it: ulimit -n 2048"),
        ((1024, NONE), "warning", "raise it: ulimit -n 4096"),
        ((1024, 1024), "warning", "ask the administrator for more (limits.conf)"),
        ((4096, 4096), "good", None),
        ((NONE, NONE), "good", None),
    ],
)
def test_soft_limits_count_and_hard_ones_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], grade: str, remedy: str | None
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    found = next(iter(file_limits.check(around(tmp_path))))
    assert (found.about, str(found.grade), found.remedy) == ("open files", grade, remedy)
