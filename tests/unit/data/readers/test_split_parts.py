from __future__ import annotations

import pytest

from hico_platform.data.readers.split_parts import plain_rule, split_parts


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("train", "val"), {"train": "train", "val": "test"}),
        (("train", "test"), {"train": "train", "test": "test"}),
        (("train", "val", "test"), {"train": "train", "val": "val", "test": "test"}),
        (("training", "validation", "testing", "all"), {"training": "train", "validation": "val", "testing": "test"}),
        (("valid",), {"valid": "test"}),
        ((), {}),
    ],
)
def test_val_is_validation_beside_a_test_part_alone(words: tuple[str, ...], parts: dict[str, str]) -> None:
    assert split_parts(words) == parts


def test_a_protocol_names_a_validation_part_where_there_is_one() -> None:
    assert plain_rule("s", {"train", "test"}) == {"train": {"s": "train"}, "test": {"s": "test"}}
    assert plain_rule("s", {"train", "val", "test"})["val"] == {"s": "val"}
