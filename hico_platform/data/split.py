"""Protocols: which sequences train, which validate, which test.

Only labelled sequences are scored, so train, validation and test consist of these. Unlabelled ones join pretraining,
where a protocol places them in its training part.

A protocol is a rule over metadata. It is looked up by name among the store's own protocols (hints), then among the
published protocols of the store's dataset, then among those that fit any store.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from hico_platform.data.kept_together import Mask, choose_validation, known, of_subjects_in
from hico_platform.data.protocol_rule import ColumnCondition, Described, Parity, ProtocolRule, Rule
from hico_platform.data.split_guard import Purpose, require_open
from hico_platform.enums import Part
from hico_platform.errors import DataError, Problem

Indices = npt.NDArray[np.int64]

_VALIDATION_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Split:
    """Indices of the sequences of each part, ascending, int64. Train, validation and test are labelled.

    A store without labels has only sequences for pretraining. The test part is given by :meth:`open_test` alone.
    """

    protocol: str
    train: Indices
    val: Indices
    val_by: str
    """The unit of the validation part: ``subject``, ``video``, ``sequence``, ``given`` by the protocol, or ``none``."""
    pretrain_only: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    """Sequences that join the training part in pretraining and are never scored, nor asked for their labels."""
    pretrain_only_val: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    """Unlabelled ones of validation subjects, which join only where validation sequences do: in retraining."""
    _test: Indices = field(repr=False)

    def open_test(self, purpose: Purpose) -> Indices:
        """The indices of the test part. Raises ClosedTestSplitError where it is closed to this purpose."""
        require_open(purpose)
        return self._test

    def parts(self, purpose: Purpose) -> dict[Part, Indices]:
        """The indices of all three parts; raises as :meth:`open_test`."""
        return {Part.TRAIN: self.train, Part.VAL: self.val, Part.TEST: self.open_test(purpose)}

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

EVERY_SEQUENCE = "all"
WITHOUT_LABELS = {EVERY_SEQUENCE: ProtocolRule(name=EVERY_SEQUENCE, train=Rule(conditions=()))}
"""The protocol of stores without labels: pretraining on every sequence."""


def find_protocol(store: Described, name: str) -> ProtocolRule:
    """The protocol of that name for this store. Raises DataError, which names those that fit."""
    protocols = _protocols_of(store)
    if name not in protocols:
        raise DataError(
            Problem(field="protocol", rule="a protocol of this dataset", value=name, remedy=_protocol_remedy(store))
        )
    return protocols[name]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Whether a protocol fits a store: the sequences of each part that is not empty, or the reason why it does not."""

    counts: dict[str, int] | None
    reason: str = ""


def protocol_fits(store: Described) -> dict[str, Fit]:
    """The protocols of a store by name, those that fit and those that do not."""
    fits = {}
    for name, protocol in _protocols_of(store).items():
        if absent := _absent_column(store, protocol):
            fits[name] = Fit(counts=None, reason=f"there is no metadata column {absent}")
            continue
        try:
            split = _split(store, protocol, validation_share=_VALIDATION_SHARE)
        except DataError as error:
            fits[name] = Fit(counts=None, reason=str(replace(error.problems[0], remedy=None)))
            continue
        alone = {"pretrain_only": len(split.pretrain_only), "pretrain_only_val": len(split.pretrain_only_val)}
        parts = {part.value: len(indices) for part, indices in split.parts(Purpose.COUNTS).items()}
        fits[name] = Fit(counts=parts | {kind: count for kind, count in alone.items() if count})
    return fits


def _absent_column(store: Described, protocol: ProtocolRule) -> str | None:
    """The first column that a protocol's training or test part goes by and the store does not have."""
    conditions = protocol.train.conditions + (protocol.test.conditions if protocol.test else ())
    return next((one.column for one in conditions if store.column(one.column) is None), None)


def fitting_protocols(store: Described) -> dict[str, dict[str, int]]:
    """The protocols that fit a store's metadata, with the number of sequences in each part."""
    return {name: fit.counts for name, fit in protocol_fits(store).items() if fit.counts is not None}


def _protocol_remedy(store: Described) -> str:
    """What to use instead of a protocol that does not fit: those that do, or a rule over the columns there are."""
    fitting = sorted(fitting_protocols(store))
    if fitting:
        return f"choose {', '.join(fitting)}, or write a rule"
    columns = f"its columns are {', '.join(store.columns)}" if store.columns else "it has no columns"
    return f"write a rule in a YAML file and name the file: no protocol fits this dataset; {columns}"


def _protocols_of(store: Described) -> dict[str, ProtocolRule]:
    hints = {
        name: ProtocolRule.from_plain(name, plain, field=f"protocols.{name}") for name, plain in store.protocols.items()
    }
    alone = {} if store.labelled.any() else WITHOUT_LABELS
    return {**ANYWHERE, **alone, **PUBLISHED.get(store.dataset, {}), **hints}


def split_store(
    store: Described, protocol: str | ProtocolRule, *, validation_share: float = _VALIDATION_SHARE
) -> Split:
    """Divides a store into train, validation and test.

    The validation part is all sequences of some subjects of the training part, about ``validation_share`` of the
    subjects, chosen by a stable hash of the subject, so it is the same on every machine and in every version. A store
    without subjects uses whole videos, or else single sequences. A protocol may define the validation part itself. The
    test part is never used for it. These three parts consist of labelled sequences. A store without labels has none of
    them, and everything that the protocol trains on is unlabelled.

    Raises DataError if the protocol does not fit the store or a part would be empty; where the protocol was given by
    name, it names those that fit.
    """
    if isinstance(protocol, ProtocolRule):
        return _split(store, protocol, validation_share=validation_share)
    chosen = find_protocol(store, protocol)
    try:
        return _split(store, chosen, validation_share=validation_share)
    except DataError as error:
        remedy = _protocol_remedy(store)
        raise DataError([replace(problem, remedy=remedy) for problem in error.problems]) from None


def _split(store: Described, chosen: ProtocolRule, *, validation_share: float) -> Split:
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
        _test=np.flatnonzero(test & labelled),
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
                        remedy="correct the rule of the protocol")
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
