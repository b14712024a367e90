"""What is installed is all that the package reads."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import setuptools
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [path.name for path in ROOT.glob("*.md")] + ["docs/security.md"]


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["title"], citation["version"]) == (project["name"], project["version"])
    assert (citation["license"], citation["keywords"]) == (project["license"], project["keywords"])
    assert citation["preferred-citation"]["doi"] == "10.1609/aaai.v37i1.25127"


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text())
    inside = [link for link in links if "://" not in link]
    assert not [link for link in inside if not (ROOT / page).parent.joinpath(link).exists()]


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
