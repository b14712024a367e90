"""Records as JSON of which the long parts stay text until somebody looks at them.

Of thousands of trials a status shows values and scores. Most of what is written of a trial are its configuration and
its losses of every epoch, and decoding these took as long as everything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

from hico_platform.errors import Problem, UsageError

_scan = json.JSONDecoder().raw_decode
_CONFIG, _HISTORY, _DECISION = ', "config": {', ', "history": [', ', "decision": '
_OF_A_TRIAL = ("values", "origin", "began_at_s")
_NEXT_KEY = ']], "'
Epoch = tuple[int, Mapping[str, float]]


def decoded(text: str) -> Any:
    """What :func:`json.loads` gives, without its preliminaries, which take longer than a short record."""
    try:
        value, end = _scan(text)
    except ValueError:
        return json.loads(text)  # which says what is wrong
    return value if end == len(text) else json.loads(text)


def decoded_trial(text: str) -> Any:
    """The record of a trial's beginning, whose ``config`` is decoded when it is looked at.

    It is cut where the key stands. A quote inside a string has a backslash before it, so what is found is a key; that
    it is one of the record itself, and the last one, shows in what is left: JSON with all the other fields.
    """
    begin = text.find(_CONFIG)
    if begin < 0:
        return decoded(text)
    try:
        head, end = _scan(text[:begin] + "}")
    except ValueError:
        return decoded(text)
    if end != begin + 1 or not isinstance(head, dict) or not all(name in head for name in _OF_A_TRIAL):
        return decoded(text)
    if not text.endswith("}}"):
        return decoded(text)
    head["config"] = UndecodedMapping(text[begin + len(_CONFIG) - 1 : -1])
    return head


def decoded_report(text: str) -> Any:
    """A report, whose ``history`` is decoded when it is looked at; cut as :func:`decoded_trial` cuts."""
    begin = text.find(_HISTORY)
    end = text.find(_DECISION, begin)
    history = text[begin + len(_HISTORY) - 1 : end]
    if begin < 0 or end < 0 or _NEXT_KEY in history or not history.endswith("]]"):
        return decoded(text)
    rest = text[:begin] + text[end:]
    try:
        report, length = _scan(rest)
    except ValueError:
        return decoded(text)
    if length != len(rest) or not isinstance(report, dict) or "decision" not in report:
        return decoded(text)
    report["history"] = UndecodedHistory(history)
    return report


class UndecodedMapping(Mapping[str, Any]):
    """A mapping that stays JSON until it is looked at.

    Raises:
        UsageError: it is looked at, and is damaged.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._value: Mapping[str, Any] | None = None

    def _decoded(self) -> Mapping[str, Any]:
        if self._value is None:
            self._value = _value_of(self._text, kind=dict)
        return self._value

    def __getitem__(self, key: str) -> Any:
        """The value of a key."""
        return self._decoded()[key]

    def __iter__(self) -> Iterator[str]:
        """The keys."""
        return iter(self._decoded())

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._decoded())

    def __repr__(self) -> str:
        """As a dictionary."""
        return repr(self._decoded())


class UndecodedHistory(Sequence[Epoch]):
    """The history of a report, which stays JSON until it is looked at; equal to the tuple that it stands for.

    Raises:
        UsageError: it is looked at, and is damaged.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._value: tuple[Epoch, ...] | None = None
        self.check: Callable[[Any], None] = lambda value: None
        """Called with the decoded list, before anybody gets it; it raises where that is none."""

    def _decoded(self) -> tuple[Epoch, ...]:
        if self._value is None:
            found = _value_of(self._text, kind=list)
            self.check(found)
            try:
                self._value = tuple((int(epoch), losses) for epoch, losses in found)
            except (TypeError, ValueError) as error:
                raise _damaged(error) from error
        return self._value

    @overload
    def __getitem__(self, place: int) -> Epoch: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Epoch]: ...

    def __getitem__(self, place: int | slice) -> Epoch | Sequence[Epoch]:
        """An epoch with its losses, or some."""
        return self._decoded()[place]

    def __len__(self) -> int:
        """How many epochs there are."""
        return len(self._decoded())

    def __eq__(self, other: object) -> bool:
        """Whether it has the same epochs."""
        return self._decoded() == (other._decoded() if isinstance(other, UndecodedHistory) else other)

    __hash__ = None  # type: ignore[assignment]  # its losses are mappings

    def __repr__(self) -> str:
        """As a tuple."""
        return repr(self._decoded())


def _value_of(text: str, *, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _damaged(error) from error
    if not isinstance(value, kind):
        raise _damaged(TypeError(f"a {type(value).__name__}"))
    return value


def _damaged(error: Exception) -> UsageError:
    return UsageError(
        Problem(
            field="a trial's record",
            rule="one that this version can read",
            value=f"{type(error).__name__}: {error}",
            remedy="use the version that wrote it, or a copy of the database from before it was damaged",
        )
    )
