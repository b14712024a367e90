from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.protocol_rule import ProtocolRule, Rule
from hico_platform.data.split import find_protocol, protocol_fits, split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.enums import Part
from hico_platform.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Described:
    table: Mapping[str, list[Any]]
    dataset: str = "toy"
    protocols: Mapping[str, Any] = field(default_factory=dict)
    unlabelled: tuple[int, ...] = ()

    @property
    def labelled(self) -> np.ndarray:
        return ~np.isin(np.arange(len(self.names)), self.unlabelled)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"s{i}" for i in range(len(next(iter(self.table.values())))))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.table)

    def column(self, name: str) -> np.ndarray | None:
        if name not in self.table:
            return None
        text = any(isinstance(value, str) for value in self.table[name])
        return np.array(self.table[name], object if text else None)


def ntu(shared_dir: Path, dataset: str) -> Described:
    names = (shared_dir / "data" / "ntu-names" / f"skes_available_{dataset}.txt").read_text().split()
    table = {
        column: [int(name[at : at + 3]) for name in names]
        for column, at in (("setup", 1), ("camera", 5), ("subject", 9))
    }
    return Described(table=table, dataset=dataset)


@pytest.mark.parametrize(
    ("dataset", "protocol", "train", "test"),
    [
        ("ntu60", "xsub", 40091, 16487),
        ("ntu60", "xview", 37646, 18932),
        ("ntu120", "xsub", 63026, 50919),
        ("ntu120", "xset", 54468, 59477),
    ],
)
def test_the_published_split_counts(shared_dir: Path, dataset: str, protocol: str, train: int, test: int) -> None:
    split = split_store(ntu(shared_dir, dataset), protocol)
    assert (len(split.train_and_val), len(split.open_test(Purpose.COUNTS))) == (train, test)


def store(**more: Any) -> Described:
    return Described(
        table={
            "subject": [i % 10 + 1 for i in range(60)],
            "camera": [i % 3 + 1 for i in range(60)],
            "condition": [("mild", "healthy")[i % 2] for i in range(60)],
            "height": [1.5 + i for i in range(60)],
        },
        **more,
    )


def test_validation_is_whole_subjects_of_train() -> None:
    split = split_store(store(), "odd-subjects")
    subjects = store().column("subject")
    assert subjects is not None
    assert split.val_by == "subject"
    parts = {part: set(subjects[split.parts(Purpose.COUNTS)[part]].tolist()) for part in Part}
    assert len(parts[Part.VAL]) == 1
    assert not parts[Part.VAL] & parts[Part.TRAIN]
    assert parts[Part.VAL] | parts[Part.TRAIN] == {1, 3, 5, 7, 9}
    assert parts[Part.TEST] == {2, 4, 6, 8, 10}
    np.testing.assert_array_equal(
        np.sort(np.concatenate([split.train_and_val, split.open_test(Purpose.COUNTS)])), np.arange(60)
    )


def test_validation_is_the_same_for_ever() -> None:
    subjects = store().column("subject")
    assert subjects is not None
    split = split_store(store(), "odd-subjects", validation_share=0.4)
    assert sorted(set(subjects[split.val].tolist())) == [3, 5]


def test_without_subjects_validation_is_sequences() -> None:
    nameless = Described(table={"split": ["train"] * 20 + ["test"] * 5})
    split = split_store(nameless, "given")
    assert (len(split.train), len(split.val), len(split.open_test(Purpose.COUNTS)), split.val_by) == (
        16,
        4,
        5,
        "sequence",
    )


def test_a_given_validation_part_is_kept() -> None:
    split = split_store(Described(table={"split": ["train", "val", "test", "train"], "subject": [1, 1, 1, 1]}), "given")
    assert (split.train.tolist(), split.val.tolist(), split.open_test(Purpose.COUNTS).tolist()) == ([0, 3], [1], [2])
    assert split.val_by == "given"


def test_hints_of_the_store_come_first() -> None:
    hinted = store(dataset="ntu60", protocols={"xview": {"train": {"camera": [1]}}})
    split = split_store(hinted, "xview")
    assert len(split.train_and_val) == 20
    assert find_protocol(hinted, "xsub").name == "xsub"


def test_parts_that_overlap_are_refused() -> None:
    rule = ProtocolRule(
        name="mine",
        train=Rule.from_plain({"subject": "odd"}, field="train"),
        test=Rule.from_plain({"camera": 1}, field="test"),
    )
    with pytest.raises(DataError, match="every sequence in one part alone, got '10 sequences in two'"):
        split_store(store(), rule)


def test_a_protocol_that_does_not_fit_names_those_that_do() -> None:
    fits = protocol_fits(store(dataset="ntu60"))
    assert fits["odd-subjects"].counts == {"train": 24, "val": 6, "test": 30}
    assert fits["given"].reason == "there is no metadata column split"
    assert fits["xview"].counts is not None
    with pytest.raises(DataError, match=r"split: expected a metadata column .*; choose odd-subjects, xsub, xview,"):
        split_store(store(dataset="ntu60"), "given")
    nothing = Described(table={"site": ["a", "b"]}, protocols={"xsub": {"train": {"site": "c"}}})
    with pytest.raises(
        DataError,
        match="in the train part, got 0; write a rule in a YAML file and name the file: no protocol fits this dataset; "
        "its columns are site",
    ):
        split_store(nothing, "xsub")
    with pytest.raises(DataError, match="expected a protocol of this dataset, got 'xview'; write a rule in a"):
        split_store(nothing, "xview")


def test_an_unknown_protocol_names_those_there_are() -> None:
    with pytest.raises(DataError, match="got 'xsub'; choose odd-subjects, or write a rule"):
        split_store(store(), "xsub")


def test_sequences_may_join_pretraining_alone() -> None:
    """They are in no part that is scored: not in training's gallery, not in validation, not in the test part."""
    table = {"subject": [1, 1, 3, 3, 2, 2, 9, 9], "split": ["a"] * 6 + ["more"] * 2}
    rule = {"train": {"subject": "odd", "split": "a"}, "pretrain": {"split": "more"}}
    split = split_store(Described(table=table), ProtocolRule.from_plain("mine", rule))
    assert split.pretrain_only.tolist() == [6, 7]
    assert split.train_and_val.tolist() == [0, 1, 2, 3]
    assert split.open_test(Purpose.COUNTS).tolist() == [4, 5]
    overlapping = {"train": {"subject": "odd"}, "pretrain": {"split": "more"}}
    with pytest.raises(DataError, match="every sequence in one part alone"):
        split_store(Described(table=table), ProtocolRule.from_plain("mine", overlapping))


def test_unlabelled_sequences_of_the_training_part_join_pretraining_alone() -> None:
    described = store(unlabelled=tuple(i for i in range(60) if i // 10 % 2))  # half of each subject's
    subjects = described.column("subject")
    assert subjects is not None
    split = split_store(described, "odd-subjects")
    for part in Part:
        assert described.labelled[split.parts(Purpose.COUNTS)[part]].all()
    assert not described.labelled[split.pretrain_only_in_retraining].any()
    held_out = set(subjects[split.val].tolist()) | set(subjects[split.open_test(Purpose.COUNTS)].tolist())
    assert {int(subject) % 2 for subject in subjects[split.pretrain_only_in_retraining]} == {1}, (
        "none of a test subject"
    )
    assert not held_out & set(subjects[split.pretrain_only].tolist()), "none of a validation subject either"
    assert set(subjects[split.pretrain_only_val].tolist()) == set(subjects[split.val].tolist())
    assert len(split.train_and_val) + len(split.pretrain_only_in_retraining) == int((subjects % 2 == 1).sum())


def test_validation_subjects_are_those_with_labels() -> None:
    subjects = [1, 1, 3, 3, 5, 5, 7, 7, 2]
    split = split_store(Described(table={"subject": subjects}, unlabelled=(0, 1, 2, 3)), "odd-subjects")
    assert {subjects[i] for i in split.val} <= {5, 7}
    assert split.pretrain_only.tolist() == [0, 1, 2, 3]
    with pytest.raises(DataError, match="expected at least 2 subjects with labelled sequences in the training part"):
        split_store(Described(table={"subject": subjects}, unlabelled=(0, 1, 2, 3, 4, 5)), "odd-subjects")


def test_an_unlabelled_sequence_that_nothing_places_is_in_no_part() -> None:
    described = Described(table={"subject": [1.0, 3.0, 2.0, np.nan, 1.0]}, unlabelled=(3, 4))
    split = split_store(described, "odd-subjects")
    assert sorted([*split.pretrain_only_in_retraining]) == [4]


def test_a_given_split_may_say_unlabelled() -> None:
    said = ["train", "train", "val", "test", "unlabelled", "train", "unlabeled", "val", "test", "-", "unlabelled"]
    table = {
        "split": [None if part == "-" else part for part in said],
        "subject": [1, 1, 2, 3, 4, 4, 3, 2, 4, 4, 2],
    }
    split = split_store(Described(table=table, unlabelled=tuple(range(4, 11))), "given")
    assert (split.train.tolist(), split.val.tolist(), split.open_test(Purpose.COUNTS).tolist()) == ([0, 1], [2], [3])
    assert split.pretrain_only.tolist() == [4, 5], "not 6, of the subject of the test part"
    assert split.pretrain_only_val.tolist() == [7, 10], "and those of the subject that validates only with it"


def test_unlabelled_sequences_of_a_rule_join_unless_a_test_subject_made_them() -> None:
    plain = {"train": {"subject": "odd"}, "pretrain": {"site": ["home"]}}
    rule = ProtocolRule.from_plain("mine", plain)
    table = {"subject": [1, 3, 2, 1, 2, np.nan, np.nan], "site": ["lab"] * 3 + ["home"] * 3 + ["lab"]}
    split = split_store(Described(table=table, unlabelled=(3, 4, 5, 6)), rule)
    assert sorted(split.pretrain_only_in_retraining.tolist()) == [3, 5], "4 is of a test subject, 6 of no rule"


def test_a_subject_of_another_dataset_is_another_subject() -> None:
    table = {"split": ["train", "train", "test", "unlabelled", "unlabelled"], "subject": [1, 3, 2, 2, 2],
             "dataset": ["a", "a", "a", "b", "a"]}  # fmt: skip
    split = split_store(Described(table=table, unlabelled=(3, 4)), "given")
    assert split.pretrain_only_in_retraining.tolist() == [3]


def test_a_store_without_labels_has_only_unlabelled_sequences() -> None:
    described = Described(table={"subject": [1, 2, 3, 4]}, unlabelled=(0, 1, 2, 3))
    for name, chosen in (("all", [0, 1, 2, 3]), ("odd-subjects", [0, 2])):
        split = split_store(described, name)
        assert split.pretrain_only.tolist() == chosen
        assert (len(split.train), len(split.val), len(split.open_test(Purpose.COUNTS)), split.val_by) == (
            0,
            0,
            0,
            "none",
        )
    assert split_store(Described(table={"path": [1, 2]}, unlabelled=(0, 1)), "all").pretrain_only.tolist() == [0, 1]
    with pytest.raises(DataError, match="protocol mine: expected at least one sequence in the train part, got 0"):
        split_store(described, ProtocolRule.from_plain("mine", {"train": {"subject": 9}}))
    with pytest.raises(DataError, match="got 'all'; choose odd-subjects, or write"):
        split_store(store(), "all")


def test_parts_need_labelled_sequences() -> None:
    described = Described(table={"subject": [1, 3, 2]}, unlabelled=(2,))
    with pytest.raises(DataError, match="expected at least one labelled sequence in the test part, got 0"):
        split_store(described, "odd-subjects")


def test_a_column_of_subjects_without_a_value_leaves_validation_to_videos() -> None:
    videos, parts = ["a", "a", "b", "b", "c", "c", "d", "d"], ["train"] * 6 + ["test"] * 2
    table = {"subject": [float("nan")] * 8, "video": videos, "split": parts}
    split = split_store(Described(table=table), "given")
    assert split.val_by == "video"
    assert len(split.val) == 2
