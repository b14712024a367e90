"""Rules over metadata that say which sequences belong to the parts of a split, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hico_platform.data.kept_together import Columns, Mask, known
from hico_platform.data.whole_number import whole_number
from hico_platform.errors import ConfigError, DataError, Problem

_LAST_NUMBER = re.compile(r"[0-9]+$")


class Parity(StrEnum):
    """Which whole numbers a condition accepts."""

    ODD = "odd"
    EVEN = "even"


class Described(Columns, Protocol):
    """The properties of a dataset that a protocol uses; ``Store`` has them."""

    @property
    def dataset(self) -> str:
        """Name of the dataset."""

    @property
    def protocols(self) -> Mapping[str, Any]:
        """Protocol hints, name to plain rule."""


@dataclass(frozen=True, kw_only=True)
class ColumnCondition:
    """A metadata column has one of the values ``accepts``, or a number of that parity, as has the text ``p06``."""

    column: str
    accepts: Parity | tuple[int | str, ...]

    def select(self, store: Described) -> Mask:
        """Mask of the sequences that meet the condition, bool (N,). Raises DataError if the column does not fit."""
        values = store.column(self.column)
        if values is None:
            raise DataError(
                Problem(field=self.column, rule=f"a metadata column of the dataset {store.dataset}", value=self.column,
                        remedy=f"choose another protocol; the columns are {', '.join(store.columns) or 'none'}")
            )  # fmt: skip
        numeric = values.dtype != object
        if isinstance(self.accepts, Parity):
            numbers = values if numeric else self._last_numbers(values)
            if np.mod(numbers[known(values)], 1).any():
                raise self._unfit("a column of whole numbers, since the rule is odd or even", "numbers with a fraction")
            chosen: Mask = np.mod(numbers, 2) == (1 if self.accepts is Parity.ODD else 0)
            return chosen
        if not numeric:
            return np.isin(values.astype(str), [str(value) for value in self.accepts]) & known(values)
        if any(isinstance(value, str) for value in self.accepts):
            raise self._unfit("numbers, as the column holds", self.accepts)
        return np.isin(values, self.accepts)

    def _last_numbers(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The number at the end of each text, such as 6 for ``p06``; NaN where there is no value."""
        numbers = np.full(len(values), np.nan)
        for i in np.flatnonzero(known(values)):
            found = _LAST_NUMBER.search(values[i])
            if found is None:
                raise DataError(
                    Problem(field=self.column, rule="a text that ends in a number, such as p06, since the rule is "
                            "odd or even", value=values[i][:60],
                            remedy=f"name the texts in a rule: {{train: {{{self.column}: [{values[i][:60]}, ...]}}}}")
                )  # fmt: skip
            numbers[i] = int(found[0][-1])  # the last digit has the parity of the number
        return numbers

    def _unfit(self, rule: str, value: object) -> DataError:
        return DataError(Problem(field=self.column, rule=rule, value=value, remedy="correct the rule of the protocol"))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A conjunction of conditions."""

    conditions: tuple[ColumnCondition, ...]

    @classmethod
    def from_plain(cls, plain: object, *, field: str) -> Rule:
        """A rule from ``{subject: odd, camera: [2, 3]}``. Raises ConfigError naming ``field``."""
        if not isinstance(plain, Mapping) or not plain:
            raise _malformed(field, "a mapping from metadata column to odd, even or a list", plain)
        conditions = []
        for column, accepts in plain.items():
            column_field = f"{field}.{column}"
            if not isinstance(column, str):
                raise _malformed(field, "the name of a metadata column", column)
            if isinstance(accepts, str) and accepts in tuple(Parity):
                conditions.append(ColumnCondition(column=column, accepts=Parity(accepts)))
                continue
            listed = accepts if isinstance(accepts, list | tuple) else [accepts]
            values = [value if isinstance(value, str) else whole_number(value) for value in listed]
            if not values or None in values:
                raise _malformed(column_field, "one of odd, even, a whole number, a text, or a list of these", accepts)
            given = tuple(value for value in values if value is not None)
            conditions.append(ColumnCondition(column=column, accepts=given))
        return cls(conditions=tuple(conditions))

    def select(self, store: Described) -> Mask:
        """Mask of the sequences that meet every condition, bool (N,)."""
        masks = [condition.select(store) for condition in self.conditions]
        chosen: Mask = np.logical_and.reduce([np.ones(len(store.names), bool), *masks])
        return chosen


@dataclass(frozen=True, kw_only=True)
class ProtocolRule:
    """A protocol over metadata: rules for training and test sequences; without a test rule, all others are test.

    A rule ``pretrain`` selects sequences that are pretrained on and never scored: of another dataset, for example.
    Unlabelled sequences of the training part are too.
    """

    name: str
    train: Rule
    test: Rule | None = None
    val: Rule | None = None
    pretrain: Rule | None = None

    @classmethod
    def from_plain(cls, name: str, plain: object, *, field: str = "protocol") -> ProtocolRule:
        """A protocol from ``{train: RULE, test: RULE, val: RULE, pretrain: RULE}``; only train is required.

        Raises ConfigError naming ``field``.
        """
        if not isinstance(plain, Mapping) or "train" not in plain:
            raise _malformed(field, "a mapping with train and, if wanted, test, val and pretrain", plain)
        unknown = sorted(set(map(str, plain)) - {"train", "test", "val", "pretrain"})
        if unknown:
            raise _malformed(f"{field}.{unknown[0]}", "one of train, test, val and pretrain", unknown[0])
        rules = {key: Rule.from_plain(part, field=f"{field}.{key}") for key, part in plain.items()}
        return cls(name=name, **rules)


def _malformed(field: str, rule: str, value: object) -> ConfigError:
    return ConfigError(
        Problem(field=field, rule=rule, value=value,
                remedy="write such as {train: {subject: odd}} or {train: {camera: [2, 3]}}")
    )  # fmt: skip
