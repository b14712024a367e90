"""The context of an error, and the problems that explain it."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from pathlib import Path

from hico_platform.errors import DataError, HicoError, Problem, UsageError, first_line

FAILED, USAGE, DATA = HicoError.exit_code, UsageError.exit_code, DataError.exit_code
LONGEST_VALUE = 300
Chain = tuple[BaseException, ...]
"""An error and its causes, outermost first."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The paths of a command: its home, its output, its databases, and its input data."""

    home: Path | None = None
    out: Path | None = None
    study: Path | str | None = None
    tracking: Path | str | None = None
    data: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The problems to show, and the exit code."""

    problems: tuple[Problem, ...]
    exit_code: int


def one_problem(problem: Problem, exit_code: int) -> Explanation:
    """An explanation with one problem."""
    return Explanation(problems=(problem,), exit_code=exit_code)


def short(error: BaseException) -> str:
    """The message of an error, in a line of limited length."""
    text = first_line(error) if isinstance(error, Exception) else type(error).__name__
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} ..."


def libraries_of(error: BaseException) -> frozenset[str]:
    """The top-level packages that define an error's classes."""
    return frozenset(kind.__module__.partition(".")[0] for kind in type(error).__mro__)


def modules_of(error: BaseException) -> list[str]:
    """The modules in an error's traceback; the last one raised it."""
    return [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]


def path_of(file: object) -> Path | str | None:
    """The file that an error names; None for a file descriptor."""
    if file is None or isinstance(file, Path):
        return file
    if isinstance(file, bytes):
        return Path(os.fsdecode(file))
    if isinstance(file, int):  # a descriptor
        return None
    text = str(file)
    return text if "://" in text else Path(text)


def shortened(path: Path | str | None) -> Path | str | None:
    """A path that fits a line; a long name is cut."""
    text = str(path)
    return path if path is None or len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} ..."
