from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from hico_platform.commands.doctor import packages
from tests.unit.commands.doctor.around import around, seen

INSTALLED = {"torch": "2.6.0+cpu", "ray": "2.60.1", "some_thing": "1.5"}
REQUIRES = ("torch>=2.6", "ray[tune]>=2.60,<3", "some-thing>=1", "cmaes>=0.11; extra == 'cmaes'")


def version(name: str) -> str:
    try:
        return {key.replace("_", "-"): value for key, value in INSTALLED.items()}[name]
    except KeyError:
        raise importlib.metadata.PackageNotFoundError(name) from None


def found(tmp_path: Path, *requires: str, lock: str | None = None) -> list[tuple[str, str, str]]:
    file = tmp_path / "cpu.lock"
    if lock is not None:
        file.write_text(lock)
    return seen(packages.check(around(tmp_path), version=version, requires=requires or REQUIRES, lock=file))


def test_what_is_missing_or_too_old_is_wrong(tmp_path: Path) -> None:
    assert found(tmp_path, "gone>=1", "ray>=3") == [
        ("packages", "wrong", "gone is missing"),
        ("packages", "wrong", "ray 2.60.1, and not >=3"),
    ]


def test_another_version_than_the_locks_is_a_warning(tmp_path: Path) -> None:
    lock = "torch==2.6.0 \\\n    --hash=sha256:a\nray==2.60.0 \\\nsome-thing==1.5\ncmaes==9\n"
    assert found(tmp_path, lock=lock) == [("packages", "warning", "not as tested: ray 2.60.1 (2.60.0)")]
    assert found(tmp_path, lock=lock.replace("2.60.0", "2.60.1")) == [
        ("packages", "good", "4 requirements are met, as tested")
    ]


def test_without_a_lock_requirements_count(tmp_path: Path) -> None:
    assert found(tmp_path) == [("packages", "good", "4 requirements are met")]


def test_a_python_that_is_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.9.1")
    (python, *_) = seen(packages.check(around(tmp_path), lock=tmp_path / "none"))
    assert python == ("python", "wrong", "3.9.1, and not >=3.11")
