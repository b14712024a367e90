from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from hico_platform.cli.views.run_log import RunLog


def test_what_was_said_before_it_was_open_is_in_it_with_times(tmp_path: Path) -> None:
    log = RunLog(secrets=["hunter22"])
    log.write("before, 100 % of hunter22")
    assert log.open(tmp_path / "search.log")
    log.write("after")
    log.close()
    lines = (tmp_path / "search.log").read_text().splitlines()
    assert [line.split(" ", 2)[1:] for line in lines] == [["INFO", "before, 100 % of ***"], ["INFO", "after"]]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} ", line) for line in lines)


def test_only_its_owner_may_read_it_in_a_private_home(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        RunLog().open(tmp_path / "search.log")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "search.log").stat().st_mode) == 0o600


def test_another_run_goes_on_with_the_file_and_it_does_not_grow_without_end(tmp_path: Path) -> None:
    file = tmp_path / "search.log"
    for run in range(3):
        log = RunLog(most_bytes=2000)
        log.open(file)
        for line in range(20):
            log.write(f"run {run} line {line}")
        log.close()
    assert "run 2 line 19" in file.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["search.log", "search.log.1"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())


def test_a_log_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "search.log").symlink_to(tmp_path / "elsewhere")
    log = RunLog()
    assert not log.open(tmp_path / "search.log"), "a link, which another account may have made"
    log.write("on we go")
    assert log.path is None
    assert (tmp_path / "elsewhere").read_text() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog()
    log.open(tmp_path / "search.log")
    assert log._file is not None
    log._file.stream = open("/dev/full", "w")  # noqa: SIM115
    log.write("on we go")
    assert capsys.readouterr().err == ""
