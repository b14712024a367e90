"""What comes with the package beside its code: search spaces, and the page of the report."""

from __future__ import annotations

import difflib
from pathlib import Path

import hico_platform
from hico_platform.errors import ConfigError, Problem


def shipped_folder(name: str) -> Path:
    """A top-level folder that ships: installed it lies inside the package, in a checkout beside it."""
    package = Path(hico_platform.__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def shipped_spaces() -> dict[str, Path]:
    """Name to file of every space that ships with the package."""
    return {file.stem: file for file in sorted(shipped_folder("search_spaces").glob("*.yaml"))}


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
    near = difflib.get_close_matches(name, shipped, n=1)
    raise ConfigError(
        Problem(
            file=text,
            rule="an existing file or the name of a space that ships with the package",
            value="neither",
            remedy=f"did you mean {near[0]}?" if near else f"check the path; the shipped ones are {', '.join(shipped)}",
        )
    )
