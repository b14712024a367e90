"""Links of pages that lead out of docs/: to the pages of the top folder, which the site has too, or to source files.

The pages are read where the repository is shown too, so their links are those between files.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path, PurePosixPath

ROOT_PAGES = {"SECURITY.md": "security-policy.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Pages of the top folder, with the names that they have in the site."""

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\[]*)\]\((?P<target>[^)\s]+)\)")


def with_links_inside(markdown: str, *, source: Path, page: Path) -> str:
    """``markdown`` with links that stay in the site.

    Args:
        markdown: the text of a page.
        source: its file, relative to the top folder.
        page: its name in the site, relative to docs/.
    """

    def mended(match: re.Match[str]) -> str:
        text, (target, _, anchor) = match["text"], match["target"].partition("#")
        if not target or "://" in target or target.startswith(("mailto:", "/")):
            return match[0]
        file = PurePosixPath(os.path.normpath((source.parent / target).as_posix()))
        if file.parts[0] == "docs":
            inside = PurePosixPath(*file.parts[1:])
        elif str(file) in ROOT_PAGES:
            inside = PurePosixPath(ROOT_PAGES[str(file)])
        elif str(file) == "README.md":
            inside, anchor = PurePosixPath("index.md"), ""
        else:
            return f"`{file}`" if text.strip("`") in target else f"{text} (`{file}`)"
        link = os.path.relpath(inside, page.parent.as_posix() or ".")
        return f"[{text}]({link}{'#' * bool(anchor)}{anchor})"

    parts = re.split(r"(^```.*?^```)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else _LINK.sub(mended, part) for part in parts)
