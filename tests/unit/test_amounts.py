from __future__ import annotations

import pytest

from hico_platform.amounts import shown_bytes, shown_duration


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "-"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (100 * 1024, "100 KiB"),
        (1024**3, "1.0 GiB"), (5 * 1024**5, "5.0 PiB"), (5000 * 1024**5, "5000 PiB"),
    ],
)  # fmt: skip
def test_bytes(count: int | None, words: str) -> None:
    assert shown_bytes(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (61, "1m"), (3540, "59m"), (3600, "1.0h"), (5400, "1.5h"),
        (47 * 3600, "47.0h"), (2 * 86400, "2d"), (86400 * 3, "3d"),
    ],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert shown_duration(seconds) == words
