from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.commands.doctor.finding import Grade, Surroundings, good, size, warning, wrong
from hico_platform.home import HomePaths


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (-1536, "-1.5 KiB"), (2.5 * 2**30, "2.5 GiB"),
        (2**40, "1.0 TiB"), (3000 * 2**40, "3000.0 TiB"),
    ],
)  # fmt: skip
def test_bytes_as_people_read_them(count: float, words: str) -> None:
    assert size(count) == words


def test_findings_as_json_prints_them() -> None:
    assert good("disk", "5 GiB").as_dict() == {"about": "disk", "grade": "good", "found": "5 GiB", "remedy": None}
    for make, grade in ((warning, "warning"), (wrong, "wrong")):
        assert make("disk", "1 GiB", "free some").as_dict() == {
            "about": "disk", "grade": grade, "found": "1 GiB", "remedy": "free some",
        }  # fmt: skip
    assert [str(grade) for grade in Grade] == ["good", "warning", "wrong"]


def test_what_is_looked_at_unless_a_test_says_otherwise() -> None:
    around = Surroundings(paths=HomePaths(home=Path("/h")))
    assert (dict(around.environment), around.root, around.address) == ({}, Path("/"), None)
