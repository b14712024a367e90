"""What is installed is all that the package reads."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import setuptools

ROOT = Path(__file__).resolve().parents[2]


def test_every_file_of_the_package_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: told.update(given))
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    for folder in (ROOT / "hico_platform", ROOT / "search_spaces", ROOT / "dashboards"):
        for path in folder.rglob("*"):
            if not path.is_file() or "__pycache__" in path.parts or path.suffix == ".py":
                continue
            package = ".".join(path.parent.relative_to(ROOT).parts)
            package = package if package.startswith("hico_platform") else f"hico_platform.{package}"
            patterns = told["package_data"].get(package, [])
            assert package in told["packages"], f"{package} is not installed"
            assert any(map(path.match, patterns)), f"{path} is not installed"
