from __future__ import annotations

from pathlib import Path

from hico_platform.commands.doctor.finding import Grade, Surroundings, good, warning, wrong
from hico_platform.home import HomePaths


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
