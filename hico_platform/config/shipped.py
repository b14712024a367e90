"""The search spaces that come with the package."""

from __future__ import annotations

from pathlib import Path

import hico_platform
from hico_platform.errors import ConfigError, Problem


def shipped_spaces() -> dict[str, Path]:
    """Name to file of every space that ships with the package."""
    package = Path(hico_platform.__file__).parent
    # Installed, the folder lies inside the package; in a checkout, beside it.
    for folder in (package / "search_spaces", package.parent / "search_spaces"):
        if folder.is_dir():
            return {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    return {}


def find_space(text: str) -> Path:
    """A space file by path, else by name among those that ship with the package.

    Raises:
        ConfigError: there is neither.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return path
    shipped = shipped_spaces()
    name = path.stem if path.suffix in {".yaml", ".yml"} else path.name
    if path.name == text and name in shipped:
        return shipped[name]
    raise ConfigError(
        Problem(
            file=text,
            rule="an existing file or the name of a space that ships with the package",
            remedy=f"the shipped ones are {', '.join(shipped)}",
        )
    )
