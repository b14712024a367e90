"""Every error this package raises on purpose.

::

    HicoError                exit code 1    the work failed
    ├── ConfigError          exit code 2    a configuration or space file breaks a rule
    ├── UsageError           exit code 2    a command cannot be carried out as asked
    ├── DataError            exit code 3    the user's data breaks a rule
    ├── CheckpointError      exit code 1    a checkpoint is torn, altered or of another version
    └── TrainingError        exit code 1    training cannot go on (non-finite loss, out of memory)
        └── LostRankError                   one of the processes that train together was lost

All messages have one grammar: where (file, line, field), ``expected RULE, got VALUE; REMEDY``. A rule is a noun phrase
("a whole number above 0"), a remedy begins with a verb ("give another"); tests/unit/test_errors.py reads all of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hico_platform.masking import masked


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One broken rule, with where it was broken, the value that was found and the remedy.

    Attributes:
        rule: what was expected, a phrase that reads after that word.
        value: what was found instead; None where there is nothing to show.
        remedy: what to do, beginning with a verb; None where nothing can be done.
        file: the file in which it was found, or that was to be read or written.
        line: of the file, from 1.
        field: the option, key or column.
    """

    rule: str
    value: object = None
    remedy: str | None
    file: Path | str | None = None
    line: int | None = None
    field: str = ""

    def __str__(self) -> str:
        """``file:line: field: expected RULE, got VALUE; REMEDY`` without what is not known; passwords are masked."""
        return self.shown()

    def shown(self, *, secrets: Iterable[str] = ()) -> str:
        """The same, with ``secrets`` masked too."""
        known = tuple(secrets)

        # Each part by itself: "API_TOKEN: no password" names a field and its rule, not a token.
        def hidden(part: object) -> str:
            return masked(str(part), secrets=known)

        file = "" if self.file is None else f"{hidden(self.file)}: "
        if self.file is not None and self.line is not None:
            file = f"{hidden(self.file)}:{self.line}: "
        field = f"{hidden(self.field)}: " if self.field else ""
        value = "" if self.value is None else f", got {hidden(repr(self.value))}"
        advice = "" if self.remedy is None else f"; {hidden(self.remedy)}"
        return f"{file}{field}expected {hidden(self.rule)}{value}{advice}"

    def as_dict(self) -> dict[str, object]:
        """The same as plain values, for ``--json``."""
        return {
            "file": None if self.file is None else masked(str(self.file)),
            "line": self.line,
            "field": self.field,
            "rule": masked(self.rule),
            "value": None if self.value is None else masked(str(self.value)),
            "remedy": masked(self.remedy or ""),
        }


class HicoError(Exception):
    """Base of all errors raised on purpose; its message is meant for the user."""

    exit_code = 1

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[HicoError], tuple[tuple[Problem, ...]]]:
        """Survives the trip between a worker process and the driver."""
        return type(self), (self.problems,)


class ConfigError(HicoError):
    """A configuration or space file breaks a rule."""

    exit_code = 2


class UsageError(HicoError):
    """A command cannot be carried out as asked."""

    exit_code = 2


class DataError(HicoError):
    """The user's data breaks a rule."""

    exit_code = 3


class CheckpointError(HicoError):
    """A checkpoint is torn, altered, or written by another version."""


class TrainingError(HicoError):
    """Training cannot go on; the reason and the remedy are in the message."""


class LostRankError(TrainingError):
    """A process of those that train one model was lost; begun again, the run goes on from its checkpoint."""


def command(*words: object) -> str:
    """A command of this package as it is typed in a shell, for a remedy or a hint."""
    return shlex.join(["hico-platform", *map(str, words)])


def first_line(error: Exception) -> str:
    """What a foreign error says, in a line; its name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def reason(error: Exception) -> str:
    """Why the system refused something, without the error's number and path; else what an error says, in a line."""
    return (error.strerror if isinstance(error, OSError) else None) or first_line(error)
