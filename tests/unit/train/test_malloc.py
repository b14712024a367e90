from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from hico_platform.train.malloc import keep_freed_memory


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    keep_freed_memory.cache_clear()
    yield
    keep_freed_memory.cache_clear()


@pytest.mark.parametrize("taken", [1, 0])
def test_both_thresholds_are_set_once(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    calls: list[tuple[int, int]] = []

    class Library:
        def __init__(self, name: None) -> None:
            pass

        def mallopt(self, what: int, value: int) -> int:
            calls.append((what, value))
            return taken

    monkeypatch.setattr(ctypes, "CDLL", Library)
    assert keep_freed_memory() is bool(taken)
    assert keep_freed_memory() is bool(taken)
    assert calls == [(-3, 2**31 - 1), (-1, 2**31 - 1)][: 1 + taken]


@pytest.mark.parametrize("library", [object(), None])
def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, library: object) -> None:
    def opened(name: None) -> object:
        if library is None:
            raise OSError("no library")
        return library

    monkeypatch.setattr(ctypes, "CDLL", opened)
    assert keep_freed_memory() is False
