from __future__ import annotations

import pytest

from hico_platform.data.whole_number import whole_number, whole_number_of_text


@pytest.mark.parametrize(
    ("value", "whole"),
    [(3, 3), (3.0, 3), (-0.0, 0), (2**70, 2**70), (3.5, None), (True, None), ("3", None), (None, None),
     (float("nan"), None), (float("inf"), None), (1e300, None)],
)  # fmt: skip
def test_a_float_without_a_fraction_is_a_whole_number(value: object, whole: int | None) -> None:
    assert whole_number(value) == whole
    assert not isinstance(whole_number(value), float)


@pytest.mark.parametrize(
    ("text", "whole"),
    [("12", 12), ("-1", -1), ("3.0", 3), ("5.100000000000000000e+01", 51), ("3.5", None), ("", None), ("x", None),
     ("1_0", None), ("nan", None), ("1e300", None), ("٣", None)],
)  # fmt: skip
def test_so_is_what_is_written_like_one(text: str, whole: int | None) -> None:
    assert whole_number_of_text(text) == whole
