from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hico_platform.data.text_numbers import is_number, parse_numbers

NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)


@given(lines=st.lists(st.lists(NUMBER, max_size=4), max_size=6), end=st.sampled_from(["\n", " \r\n", "\t\n"]))
def test_numbers_come_as_python_reads_them(lines: list[list[float | int]], end: str) -> None:
    text = parse_numbers((end.join(" ".join(map(repr, line)) for line in lines) + end).encode())
    numbers = [float(number) for line in lines for number in line]
    if not numbers:
        assert text is None
        return
    assert text is not None
    np.testing.assert_array_equal(text.values, numbers)
    assert text.tokens.tolist() == [*map(len, lines), 0]
    assert text.first.tolist()[:-1] == np.cumsum([0, *map(len, lines)])[: len(lines)].tolist()


@pytest.mark.parametrize("data", [b"", b" \n", b"1 x", b"1_0", b"1 0x2", b"\xff", b"1\x002", b"--1", "\u0661".encode()])
def test_what_is_no_number_is_not_taken(data: bytes) -> None:
    assert parse_numbers(data) is None
    tokens = data.decode("latin-1").split()
    assert not tokens or not all(map(is_number, tokens))
