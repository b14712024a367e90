"""What MkDocs calls while it builds the site: adds the pages made from code, and mends links that leave the folder."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from docs.generate import commands, decisions, environment, exit_codes, layouts, metrics, python, settings, spaces  # noqa: E402
from docs.generate.dialect import with_lists_apart  # noqa: E402
from docs.generate.outside import ROOT_PAGES, with_links_inside  # noqa: E402


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Completes the navigation: a page for each command and each decision, and pages that nobody has listed yet."""
    nav: list[Any] = config.nav  # type: ignore[assignment]
    _replace(nav, "Commands", commands.navigation())
    _replace(nav, "Decisions", ["decisions/index.md", *(f"decisions/{path.name}" for path in decisions.pages())])
    listed = set(_pages(nav))
    pages = (str(path.relative_to(ROOT / "docs")) for path in sorted((ROOT / "docs").rglob("*.md")))
    if more := [page for page in pages if page not in listed]:
        nav.append({"More": more})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made."""
    made: dict[str, str | bytes] = {
        **commands.pages(),
        **layouts.pages(),
        "decisions/index.md": decisions.index(),
        "reference/configuration.md": settings.configuration(),
        "reference/environment.md": environment.page(),
        "reference/exit-codes.md": exit_codes.page(),
        "reference/metrics.md": metrics.page(),
        "reference/python.md": python.page(),
        "reference/space.md": settings.space(),
        "reference/spaces.md": spaces.page(),
        **{page: (ROOT / source).read_text("utf-8") for source, page in ROOT_PAGES.items()},
    }
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links to files outside the folder into links to their pages, or into their names."""
    sources = {made: source for source, made in ROOT_PAGES.items()}
    uri = page.file.src_uri
    markdown = with_lists_apart(markdown)
    return with_links_inside(markdown, source=Path(sources.get(uri, f"docs/{uri}")), page=Path(uri))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leaves out the roles of reStructuredText that docstrings give to names (``:func:``)."""
    return re.sub(r":(?:attr|class|data|exc|func|meth|mod):<code>~?", "<code>", html)


def _replace(nav: list[Any], title: str, children: list[Any]) -> None:
    for item in nav:
        if isinstance(item, dict):
            for name, value in item.items():
                if name == title:
                    item[name] = children
                elif isinstance(value, list):
                    _replace(value, title, children)


def _pages(nav: list[Any]) -> list[str]:
    found: list[str] = []
    for item in nav:
        for value in item.values() if isinstance(item, dict) else [item]:
            found += _pages(value) if isinstance(value, list) else [value]
    return found
