"""Protocols: which sequences train, which validate, which test.

Only labelled sequences are scored, so train, validation and test consist of these. Unlabelled ones join pretraining,
where a protocol places them in its training part.

A protocol is a rule over metadata. It is looked up by name among the store's own protocols (hints), then among the
published protocols of the store's dataset, then among those that fit any store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hico_platform.data.kept_together import Columns, Mask, choose_validation, known, of_subjects_in
from hico_platform.enums import Part
from hico_platform.errors import ConfigError, DataError, Problem

Indices = npt.NDArray[np.int64]


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
    """A metadata column has one of the values ``accepts``, or a number of that parity."""

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
            if not numeric:
                raise self._unfit("a column of whole numbers, since the rule is odd or even", "a column of text")
            chosen: Mask = np.mod(values, 2) == (1 if self.accepts is Parity.ODD else 0)
            return chosen
        if not numeric:
            return np.isin(values.astype(str), [str(value) for value in self.accepts]) & known(values)
        if any(isinstance(value, str) for value in self.accepts):
            raise self._unfit("numbers, as the column holds", self.accepts)
        return np.isin(values, self.accepts)

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
            values = accepts if isinstance(accepts, list | tuple) else [accepts]
            if not values or not all(isinstance(v, int | str) and not isinstance(v, bool) for v in values):
                raise _malformed(column_field, "one of odd, even, a whole number, a text, or a list of these", accepts)
            conditions.append(ColumnCondition(column=column, accepts=tuple(values)))
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


@dataclass(frozen=True, kw_only=True)
class Split:
    """Indices of the sequences of each part, ascending, int64. Train, validation and test are labelled.

    A store without labels has only sequences for pretraining.
    """

    protocol: str
    train: Indices
    val: Indices
    test: Indices
    val_by: str
    """The unit of the validation part: ``subject``, ``video``, ``sequence``, ``given`` by the protocol, or ``none``."""
    pretrain_only: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    """Sequences that join the training part in pretraining and are never scored, nor asked for their labels."""
    pretrain_only_val: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    """Unlabelled ones of validation subjects, which join only where validation sequences do: in retraining."""

    def part(self, part: Part) -> Indices:
        """The indices of one part."""
        return {Part.TRAIN: self.train, Part.VAL: self.val, Part.TEST: self.test}[part]

    @property
    def train_and_val(self) -> Indices:
        """The whole training split, for retraining."""
        return np.sort(np.concatenate([self.train, self.val]))

    @property
    def pretrain_only_in_retraining(self) -> Indices:
        """The sequences that join ``train_and_val`` in pretraining and are never scored."""
        return np.sort(np.concatenate([self.pretrain_only, self.pretrain_only_val]))


_NTU60_SUBJECTS = (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)
_NTU120_SUBJECTS = (
    *_NTU60_SUBJECTS, 45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96),
    97, 98, 100, 103,
)  # fmt: skip


PART_WORDS: dict[Part, tuple[str, ...]] = {
    Part.TRAIN: ("train", "training"),
    Part.VAL: ("val", "valid", "validation"),
    Part.TEST: ("test", "testing"),
}
"""What a part is called in files and in the column ``split``."""


def _by(column: str, accepts: Parity | tuple[int | str, ...]) -> Rule:
    return Rule(conditions=(ColumnCondition(column=column, accepts=accepts),))


def _protocols(**train: Rule) -> dict[str, ProtocolRule]:
    return {name: ProtocolRule(name=name, train=part) for name, part in train.items()}


PUBLISHED: dict[str, dict[str, ProtocolRule]] = {
    "ntu60": _protocols(xsub=_by("subject", _NTU60_SUBJECTS), xview=_by("camera", (2, 3))),
    "ntu120": _protocols(xsub=_by("subject", _NTU120_SUBJECTS), xset=_by("setup", Parity.EVEN)),
    "ucla": _protocols(xview=_by("camera", (1, 2))),
}
"""Protocols by dataset, as its authors published them (Shahroudy et al. 2016, Liu et al. 2019, Wang et al. 2014)."""

ANYWHERE: dict[str, ProtocolRule] = {
    "odd-subjects": ProtocolRule(name="odd-subjects", train=_by("subject", Parity.ODD)),
    "given": ProtocolRule(
        name="given",
        train=_by("split", PART_WORDS[Part.TRAIN]),
        val=_by("split", PART_WORDS[Part.VAL]),
        test=_by("split", PART_WORDS[Part.TEST]),
        pretrain=_by("split", ("pretrain", "unlabelled", "unlabeled")),
    ),
}
"""Protocols that fit any store with the column they read."""

WITHOUT_LABELS = {"all": ProtocolRule(name="all", train=Rule(conditions=()))}
"""The protocol of stores without labels: pretraining on every sequence."""


def find_protocol(store: Described, name: str) -> ProtocolRule:
    """The protocol of that name for this store. Raises DataError, which names the existing ones."""
    protocols = _protocols_of(store)
    if name not in protocols:
        raise DataError(
            Problem(field="protocol", rule="a protocol of this dataset", value=name,
                    remedy=f"choose {', '.join(sorted(protocols))}, or write a rule")
        )  # fmt: skip
    return protocols[name]


def fitting_protocols(store: Described) -> dict[str, dict[str, int]]:
    """The protocols that fit a store's metadata, with the number of sequences in each part."""
    fitting = {}
    for name, protocol in _protocols_of(store).items():
        try:
            split = split_store(store, protocol)
        except DataError:
            continue
        alone = {"pretrain_only": len(split.pretrain_only), "pretrain_only_val": len(split.pretrain_only_val)}
        fitting[name] = {part.value: len(split.part(part)) for part in Part} | {
            kind: count for kind, count in alone.items() if count
        }
    return fitting


def _protocols_of(store: Described) -> dict[str, ProtocolRule]:
    hints = {
        name: ProtocolRule.from_plain(name, plain, field=f"protocols.{name}") for name, plain in store.protocols.items()
    }
    alone = {} if store.labelled.any() else WITHOUT_LABELS
    return {**ANYWHERE, **alone, **PUBLISHED.get(store.dataset, {}), **hints}


def split_store(store: Described, protocol: str | ProtocolRule, *, validation_share: float = 0.2) -> Split:
    """Divides a store into train, validation and test.

    The validation part is all sequences of some subjects of the training part, about ``validation_share`` of the
    subjects, chosen by a stable hash of the subject, so it is the same on every machine and in every version. A store
    without subjects uses whole videos, or else single sequences. A protocol may define the validation part itself. The
    test part is never used for it. These three parts consist of labelled sequences. A store without labels has none of
    them, and everything that the protocol trains on is unlabelled.

    Raises DataError if the protocol does not fit the store or a part would be empty.
    """
    chosen = find_protocol(store, protocol) if isinstance(protocol, str) else protocol
    whole_train = chosen.train.select(store)
    test = chosen.test.select(store) if chosen.test else _the_rest(store, chosen.train) & ~whole_train
    val = chosen.val.select(store) if chosen.val else np.zeros_like(whole_train)
    labelled = store.labelled
    added = _added(store, chosen, train=whole_train, test=test)
    if not chosen.test:
        test &= ~added
    _check_parts(chosen.name, labelled, train=whole_train, test=test, val=val, pretrain=added)
    val_by = "none"
    if (val & labelled).any():
        val_by = "given"
        val |= added & ~labelled & of_subjects_in(store, val, and_not_in=whole_train)
    elif labelled.any():
        val, val_by = choose_validation(store, whole_train, whole_train | (added & ~labelled), validation_share)
    pretrain_only = ((whole_train | val) & ~labelled) | added
    return Split(
        protocol=chosen.name,
        train=np.flatnonzero(whole_train & labelled & ~val),
        val=np.flatnonzero(val & labelled),
        test=np.flatnonzero(test & labelled),
        val_by=val_by,
        pretrain_only=np.flatnonzero(pretrain_only & ~val),
        pretrain_only_val=np.flatnonzero(pretrain_only & val),
    )


def _the_rest(store: Described, train: Rule) -> Mask:
    """Mask of the sequences with values for all columns of the rule; one with a missing value is in neither part."""
    columns = [store.column(condition.column) for condition in train.conditions]
    rest: Mask = np.logical_and.reduce([known(values) for values in columns if values is not None])
    return rest


def _check_parts(name: str, labelled: Mask, **parts: Mask) -> None:
    held = {part: parts[part] & labelled for part in ("train", "test")}
    which = "sequence" if labelled.all() else "labelled sequence"
    if not labelled.any():
        held, which = {"train": parts["train"] | parts["pretrain"]}, "sequence"
    for part, mask in held.items():
        if not mask.any():
            raise DataError(
                Problem(field=f"protocol {name}", rule=f"at least one {which} in the {part} part", value=0,
                        remedy="choose a protocol that fits the metadata; `hico-platform data info` prints it")
            )  # fmt: skip
    both: Mask = np.sum(list(parts.values()), axis=0) > 1
    if both.any():
        raise DataError(
            Problem(field=f"protocol {name}", rule="every sequence in one part alone",
                    value=f"{int(both.sum())} sequences in two", remedy="make its rules exclude each other")
        )  # fmt: skip


def _added(store: Described, protocol: ProtocolRule, *, train: Mask, test: Mask) -> Mask:
    """Mask of the sequences that the rule ``pretrain`` selects, without unlabelled ones of test subjects."""
    if protocol.pretrain is None:
        return np.zeros_like(train)
    selected = protocol.pretrain.select(store) & (store.labelled | ~train)  # an unlabelled one of train joins anyway
    if not (selected & ~store.labelled).any():
        return selected
    test = test & (store.labelled | ~selected)
    return selected & (store.labelled | ~of_subjects_in(store, test, and_not_in=train))


def _malformed(field: str, rule: str, value: object) -> ConfigError:
    return ConfigError(
        Problem(field=field, rule=rule, value=value,
                remedy="write such as {train: {subject: odd}} or {train: {camera: [2, 3]}}")
    )  # fmt: skip
