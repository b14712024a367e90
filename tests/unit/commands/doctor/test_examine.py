from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from hico_platform.commands.doctor.examine import QUICK, THOROUGH, examine
from hico_platform.commands.doctor.finding import Finding, Surroundings, good
from tests.unit.commands.doctor.around import around, seen


def broken(here: Surroundings) -> Iterator[Finding]:
    yield good("a", "b")
    raise RuntimeError("password=hunter2 is wrong")


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(tmp_path: Path) -> None:
    found = seen(examine(around(tmp_path), checks=[broken, broken]))
    assert [one[1] for one in found] == ["good", "wrong"] * 2
    assert found[1][0] == "test examine"
    assert "hunter2" not in found[1][2]


def test_no_part_of_an_address_that_a_library_names_shows_its_password(tmp_path: Path) -> None:
    def failing(here: Surroundings) -> Iterator[Finding]:
        yield good("a", "b")
        raise ValueError("nonnumeric port: 'hunter2@host'")

    for options in ({"tracking": "http://me:hunter2@host"}, {"storage": "postgresql://me:hunter2@host/db"}):
        assert "hunter2" not in str(seen(examine(around(tmp_path, **options), checks=[failing])))


def test_every_check_is_run() -> None:
    folder = Path(sys.modules[examine.__module__].__file__ or "").parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "examine", "finding"}
    assert {check.__module__.rpartition(".")[2] for check in (*QUICK, *THOROUGH)} == files


def test_what_a_search_begins_with_imports_nothing_slow() -> None:
    slow = "{'torch', 'ray', 'mlflow', 'optuna'}"
    words = f"import sys, hico_platform.commands.doctor.examine; print(*{slow} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
