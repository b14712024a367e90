"""Plain data with the file and line of every part, for error messages; needs no YAML parser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hico_platform.errors import Problem

FieldPath = tuple[str | int, ...]
LEDGER = "ledger"
"""The file of a document that a ledger keeps."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain data and where each part of it stands; ``lines`` is empty for data that was never a file.

    ``files`` names the parts that come from elsewhere than ``file`` (an extended file, ``--set``).
    """

    data: Any
    file: Path | str | None = None
    lines: Mapping[FieldPath, int] = field(default_factory=dict)
    files: Mapping[FieldPath, Path | str | None] = field(default_factory=dict)

    def problem(
        self, path: FieldPath, *, rule: str, remedy: str | None, value: object = None, show: bool = True
    ) -> Problem:
        """A problem at ``path``, with file and line of the nearest enclosing part that has them."""
        prefixes = [path[:n] for n in range(len(path), -1, -1)]
        near = next((p for p in prefixes if p in self.files or p in self.lines), ())
        return Problem(
            file=self.files.get(near, self.file),
            line=self.lines.get(near),
            field=dotted(path),
            rule=rule,
            value=value if show else None,
            remedy=remedy,
        )

    def value(self, path: FieldPath) -> Any:
        """What stands at ``path``; nothing where there is no such part."""
        data = self.data
        for key in path:
            try:
                data = data[key]
            except (KeyError, IndexError, TypeError):
                return None
        return data


def dotted(path: FieldPath) -> str:
    """``contrast.level_weights.clip``, ``warm_start[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
