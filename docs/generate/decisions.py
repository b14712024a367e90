"""The index of decisions: each page's title with the first sentence of what was decided."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "decisions"


def pages() -> list[Path]:
    """The pages, by number."""
    return [path for path in sorted(FOLDER.glob("*.md")) if path.name != "index.md"]


def index() -> str:
    """The page that lists them."""
    rows = [_row(path) for path in pages()]
    return "\n".join(
        [
            "# Decisions",
            "",
            "Why it is built this way. Each page says what was decided, why, what was measured, and what it costs.",
            "",
            "| | decision | in short |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(path: Path) -> str:
    text = path.read_text("utf-8")
    title = text.partition("\n")[0].removeprefix("# ").strip()
    body = text.partition("\n")[2].strip()
    paragraph = " ".join(body.split("\n\n")[0].split())
    short = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", paragraph).replace("**Decision.**", "").replace("|", "\\|").strip()
    sentence = re.match(r".+?\.(?=\s|$)", short)
    return f"| {path.name[:4]} | [{title}]({path.name}) | {sentence[0] if sentence else short} |"
