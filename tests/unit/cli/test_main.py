from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hico_platform.cli.main import COMMANDS, main

OPEN_A_FILE = """
import os, sys
from hico_platform.cli.main import main
for number in (0, 1, 2):
    os.close(number)
sys.stdin = sys.stdout = sys.stderr = None
code = main(["status", "--home", sys.argv[1]])
opened = open(sys.argv[2], "w")
print("to nowhere")
opened.write(f"{code} {opened.fileno() > 2}")
"""


@pytest.mark.slow
def test_with_closed_standard_streams_no_file_is_taken_for_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", OPEN_A_FILE, str(tmp_path / "home"), str(out)]
    assert subprocess.run(command, check=False).returncode == 0
    assert out.read_text() == "2 True"


def test_a_home_that_is_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = os.fsdecode(os.fsencode(tmp_path) + b"/b\xff")
    assert main(["status", "--home", home]) == 2
    assert "--home: expected a path in UTF-8" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_docstrings_nothing_is_begun(tmp_path: Path) -> None:
    command = [sys.executable, "-OO", "-m", "hico_platform", "status", "--home", str(tmp_path)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: PYTHONOPTIMIZE: expected at most 1, got 2; ")


def test_the_overview_needs_no_parser_and_no_pydantic() -> None:
    code = (
        "import sys; from hico_platform.cli.main import main; assert main(['--help']) == 0;"
        "heavy = {'pydantic', 'yaml', 'rich', 'torch', 'ray', 'mlflow'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_every_command_has_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit):
            main([*name.split(), "--help"])
        assert "--traceback" in capsys.readouterr().out
