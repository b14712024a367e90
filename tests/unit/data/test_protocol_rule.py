from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hico_platform.data.protocol_rule import Parity, ProtocolRule
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.enums import Part
from hico_platform.errors import ConfigError, DataError
from tests.unit.data.test_split import Described, store


def test_a_rule_from_plain_values() -> None:
    rule = ProtocolRule.from_plain(
        "mine", {"train": {"camera": [2, 3], "subject": "odd"}, "test": {"camera": 1, "condition": "mild"}}
    )
    assert rule.train.conditions[1].accepts is Parity.ODD
    split = split_store(store(), rule)
    table = store().table
    assert {table["camera"][i] for i in split.train_and_val} == {2, 3}
    assert {table["subject"][i] % 2 for i in split.train_and_val} == {1}
    assert {(table["camera"][i], table["condition"][i]) for i in split.open_test(Purpose.COUNTS)} == {(1, "mild")}


def test_a_missing_value_belongs_to_neither_part() -> None:
    described = Described(table={"subject": [1.0, 3.0, 2.0, np.nan]})
    split = split_store(described, "odd-subjects")
    assert sorted([*split.train_and_val, *split.open_test(Purpose.COUNTS)]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"test": {"subject": "odd"}}, "protocol: expected a mapping with train"),
        ([1], "protocol: expected a mapping with train"),
        ({"train": {"subject": "odd"}, "tset": {}}, "protocol.tset: expected one of train, test, val and pretrain"),
        ({"train": {}}, "protocol.train: expected a mapping from metadata column"),
        ({"train": {"subject": []}}, "protocol.train.subject: expected one of odd, even, a whole number, a text"),
        ({"train": {"subject": True}}, "protocol.train.subject: expected one of odd, even, a whole number, a text"),
        ({"train": {1: "odd"}}, "protocol.train: expected the name of a metadata column, got 1; write such as"),
    ],
)
def test_a_malformed_rule_is_named(plain: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ProtocolRule.from_plain("mine", plain)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            {"setup": "even"},
            "setup: expected a metadata column of the dataset toy, got 'setup'; choose another protocol; "
            "the columns are subject, camera",
        ),
        (
            {"condition": "odd"},
            r"condition: expected a text that ends in a number, such as p06, since the rule is odd or even, got 'mild';"
            r" name the texts in a rule: {train: {condition: \[mild, ...\]}}",
        ),
        ({"height": "odd"}, "height: expected a column of whole numbers, since the rule is odd or even, got 'numbers"),
        ({"camera": ["front"]}, "camera: expected numbers, as the column holds, got"),
        ({"camera": [7]}, "protocol mine: expected at least one sequence in the train part, got 0; correct the rule"),
        ({"camera": [1, 2, 3]}, "protocol mine: expected at least one sequence in the test part, got 0"),
        (
            {"subject": [1]},
            "subjects: expected at least 2 subjects in the training part, for validation, got 1; choose",
        ),
    ],
)
def test_a_rule_that_does_not_fit_the_data_is_named(train: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_store(store(), ProtocolRule.from_plain("mine", {"train": train}))


def test_subjects_that_are_texts_are_odd_or_even_by_the_number_at_their_end() -> None:
    subjects = ["p1", "p03", "s6", "p06", "12", "left_5", None, "p00000000000000000000007"]
    described = Described(table={"subject": subjects})
    split = split_store(described, "odd-subjects")
    assert sorted([*split.train_and_val]) == [0, 1, 5, 7]
    assert split.open_test(Purpose.COUNTS).tolist() == [2, 3, 4]
    with pytest.raises(DataError, match=r"expected a text that ends in a number, .*, got 'p06_left'; name the texts"):
        split_store(Described(table={"subject": ["p1", "p3", "p06_left"]}), ProtocolRule.from_plain("mine", ODD))


def test_p6_and_p06_are_two_people() -> None:
    described = Described(table={"subject": ["p1", "p01", "p3", "p5", "p6", "p06"] * 2})
    split = split_store(described, "odd-subjects", validation_share=0.5)
    people = {part: {described.table["subject"][i] for i in split.parts(Purpose.COUNTS)[part]} for part in Part}
    assert not people[Part.TRAIN] & people[Part.VAL]
    assert people[Part.TRAIN] | people[Part.VAL] == {"p1", "p01", "p3", "p5"}
    assert people[Part.TEST] == {"p6", "p06"}


def test_whole_numbers_of_a_rule_may_be_floats() -> None:
    rule = ProtocolRule.from_plain("mine", {"train": {"camera": [2.0, 3]}})
    assert rule.train.conditions[0].accepts == (2, 3)
    with pytest.raises(ConfigError, match=r"protocol\.train\.camera: expected one of odd, even, a whole number"):
        ProtocolRule.from_plain("mine", {"train": {"camera": 2.5}})


ODD = {"train": {"subject": "odd"}}
