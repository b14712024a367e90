from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hico_platform.data.arrow_numpy import array_of, array_of_lists, array_of_numbers, numbers_of

WHOLE = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None)
@given(values=st.lists(WHOLE | st.none()) | st.lists(TEXT | st.none()))
def test_plain_values_come_as_pyarrow_has_them(values: list[int | str | None]) -> None:
    kind = str if any(isinstance(value, str) for value in values) else int
    made = array_of(values, kind)
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.string() if kind is str else pa.int64()))


def test_fractions_and_halves_of_characters() -> None:
    assert array_of([1, 2.5, None], float).equals(pa.array([1.0, 2.5, None]))
    assert array_of(["a\ud800"], str).to_pylist() == ["a?"]


@settings(deadline=None)
@given(values=st.lists(WHOLE | st.none(), min_size=1), at=st.integers(0, 9))
def test_numbers_come_back_and_null_is_nan(values: list[int | None], at: int) -> None:
    array = pa.array(values, pa.int64())[at:]
    expected = values[at:]
    got = numbers_of(array)
    if None in expected:
        np.testing.assert_array_equal(got, [np.nan if value is None else float(value) for value in expected])
    else:
        assert (got.dtype, got.tolist()) == (np.dtype(np.int64), expected)


@pytest.mark.parametrize("chunks", [[], [[1.5]], [[1.5], [], [2.5, 3.5]]])
def test_chunks_are_joined(chunks: list[list[float]]) -> None:
    got = numbers_of(pa.chunked_array(chunks, pa.float64()))
    assert (got.dtype, got.tolist()) == (np.dtype(np.float64), [value for chunk in chunks for value in chunk])


def test_nothing_is_copied() -> None:
    values = np.arange(6, dtype=np.float32)
    array = array_of_numbers(values)
    assert np.shares_memory(numbers_of(array), values)
    kind = pa.large_list(pa.float32())
    lists = array_of_lists(np.array([0, 2, 2, 6]), values, kind)
    lists.validate(full=True)
    assert lists.to_pylist() == [[0, 1], [], [2, 3, 4, 5]]
