"""What each field of a record in the ledger may hold: checked where records are read, so that nothing else has to.

A field that this version does not know is passed over, and one that is missing is another version's matter
(:func:`~hico_platform.search.ledger.serialization.readable`). A value of another type is neither: the database was
changed by something else, or is damaged, and the message says where.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hico_platform.config.scalars import Scalar
from hico_platform.errors import DataError, Problem
from hico_platform.search import notes
from hico_platform.search.ledger.undecoded import UndecodedHistory, UndecodedMapping

_LATEST_S = 253402300800.0
"""The beginning of the year 10000, which clocks cannot show."""
_LARGEST = 2**53
_SHOWN = 60


class Allowed(NamedTuple):
    """What a value has to be, in words, and whether it is."""

    rule: str
    holds: Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < _LARGEST)


def _is_time(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value) and abs(value) < _LATEST_S


def _are_numbers(value: Any) -> bool:
    if type(value) is not dict:
        return False
    kinds = set(map(type, value.values()))  # a history has thousands: nothing is called for each where all are floats
    return kinds <= {float} or (kinds <= {float, int} and all(map(_is_number, value.values())))


def _is_history(value: Any) -> bool:
    return type(value) is list and all(
        type(one) is list and len(one) == 2 and _is_count(one[0]) and _are_numbers(one[1]) for one in value
    )


def _is_texts(value: Any) -> bool:
    return type(value) is list and all(type(one) is str for one in value)


def _are_counts(value: Any) -> bool:
    return type(value) is list and all(map(_is_count, value))


def _are_scalars(value: Any) -> bool:
    return type(value) is dict and all(one is None or isinstance(one, Scalar) for one in value.values())


def _is_machine(value: Any) -> bool:
    return (
        type(value) is dict
        and type(value.get("host")) is str
        and type(value.get("reason")) is str
        and _are_counts(value.get("trials", []))
        and _is_time(value.get("at_s", 0.0))
    )


COUNT = Allowed("a whole number from 0", _is_count)
NUMBER = Allowed("a number", _is_number)
TIME = Allowed("a time in seconds since 1970", _is_time)
TEXT = Allowed("a text", lambda value: type(value) is str)
TRUTH = Allowed("true or false", lambda value: type(value) is bool)
NUMBERS = Allowed("numbers by name", _are_numbers)
MAPPING = Allowed("fields by name", lambda value: type(value) in (dict, UndecodedMapping))
SCALARS = Allowed("numbers, texts or truths by name", _are_scalars)
TEXTS = Allowed("a list of texts", _is_texts)


def _or_none(one: Allowed) -> Allowed:
    return Allowed(f"{one.rule}, or null", lambda value: value is None or one.holds(value))


def _list_of(one: Allowed) -> Allowed:
    return Allowed(f"a list, each {one.rule}", lambda value: type(value) is list and all(map(one.holds, value)))


SEARCH = {
    "source": MAPPING,
    "facts": Allowed("fields by name", lambda value: value is None or type(value) is dict),
    "limit": COUNT,
    "began_at_s": TIME,
    "key": TEXT,
    "former_names": TEXTS,
}
FACTS = {
    "data_digest": TEXT, "protocol": TEXT, "code_version": TEXT, "seed": Allowed("a whole number", lambda value:
    type(value) is int), "more": SCALARS,
}  # fmt: skip
TRIAL = {"values": SCALARS, "origin": TEXT, "began_at_s": TIME, "config": _or_none(MAPPING)}
REPORT = {
    "epoch": COUNT, "value": NUMBER, "metrics": NUMBERS, "decision": TEXT, "checkpoint": TEXT, "at_s": TIME,
    "history": Allowed(
        "a list of epochs, each with numbers by name",
        lambda value: type(value) is UndecodedHistory or _is_history(value),  # else when it is looked at
    ), "measures": _list_of(NUMBER),
    "standard_errors": NUMBERS, "standard_error": _or_none(NUMBER), "machine": _or_none(TEXT),
}  # fmt: skip
ENDING = {
    "state": TEXT, "epoch": COUNT, "at_s": TIME, "metrics": NUMBERS, "checkpoint": _or_none(TEXT),
    "reason": _or_none(TEXT), "traceback": _or_none(TEXT), "excused": TRUTH,
}  # fmt: skip
NOTES = {
    notes.SESSIONS: _list_of(TIME),
    notes.ENDED_BY: TEXT,
    notes.ENQUEUED: _list_of(MAPPING),
    notes.GPUS: Allowed(
        "a number from 0 to 1024", lambda value: _is_number(value) and 0 <= value <= 1024  # not NaN
    ),
    notes.EXCLUDED_MACHINES: _list_of(Allowed("a machine with host, reason and trials", _is_machine)),
    notes.TRIAL_MACHINES: Allowed(
        "numbers of trials by machine", lambda value: type(value) is dict and all(map(_are_counts, value.values()))
    ),
    notes.PAUSED: Allowed(
        "a pause of the search or of trials",
        lambda value: type(value) is dict
        and type(value.get("search", False)) is bool
        and _are_counts(value.get("trials", [])),
    ),
    notes.LIMIT_BEFORE: Allowed(
        "a limit with the key of a request",
        lambda value: type(value) is dict and type(value.get("key")) is str and _is_count(value.get("limit")),
    ),
    notes.CHECKPOINTS: Allowed(
        "a store with url and folder",
        lambda value: type(value) is dict and type(value.get("url")) is str and type(value.get("folder", "")) is str,
    ),
}  # fmt: skip
"""By key, the notes that this version acts upon; one that is null is not there. Others are shown where they can be."""


def check_record(record: str, plain: object, rules: Mapping[str, Allowed]) -> None:
    """Checks the fields of a record that are there.

    Raises:
        DataError: one is of another type, or the record has no fields; the message names both.
    """
    if plain is None:
        raise TypeError(f"{record} is null")  # not there: another version's matter
    if type(plain) is not dict:
        raise _wrong(record, MAPPING, plain)
    for name, expected in rules.items():
        if name in plain and not expected.holds(plain[name]):
            raise _wrong(f"{record}: {name}", expected, plain[name])


def checked_note(key: str, value: Any) -> Any:
    """The note of that key, where it is as it should be.

    Raises:
        DataError: it is not.
    """
    expected = NOTES.get(key)
    if value is None or expected is None or expected.holds(value):
        return value
    raise _wrong(f"note {key}", expected, value)


def _wrong(field: str, expected: Allowed, value: object) -> DataError:
    shown = value
    if type(value) is int and abs(value) >= _LARGEST:
        shown = "a number of more than 15 digits"
    elif len(repr(value)) > _SHOWN:
        shown = f"{repr(value)[:_SHOWN]}..."
    remedy = "mend this record in the study database, or restore the database from a backup"
    return DataError(
        Problem(field=field, rule=expected.rule, value=repr(None) if shown is None else shown, remedy=remedy)
    )
