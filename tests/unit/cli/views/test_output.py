from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from rich.console import Console

from hico_platform.cli.views.output import Output
from hico_platform.cli.views.run_log import RunLog
from hico_platform.errors import HicoError, Problem


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)


def said(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_on_a_terminal_lines_break_between_words_and_in_a_pipe_they_are_whole() -> None:
    line = "best: trial 12, " + ", ".join(f"weight_{number} 0.123" for number in range(9))
    screen, pipe = terminal(60), Console(file=io.StringIO(), width=60)
    Output(screen).tell(line)
    Output(pipe).tell(line)
    assert said(pipe) == [line]
    assert max(map(len, said(screen))) <= 60
    assert " ".join(one.strip() for one in said(screen)) == line
    assert all(one.startswith("  ") for one in said(screen)[1:])


def test_quiet_keeps_warnings_and_results(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    console, log = Console(file=io.StringIO()), RunLog()
    log.open(tmp_path / "log")
    with Output(console, quiet=True, log=log) as output:
        output.say("trial 0 begins")
        output.tell("best: trial 0")
        logging.getLogger("hico_platform.search.anything").warning("trial %d is handed out again", 3)
    assert said(console) == ["best: trial 0"]
    assert capsys.readouterr().err == "warning: trial 3 is handed out again\n"
    logged = [line.split(" ", 1)[1] for line in (tmp_path / "log").read_text().splitlines()]
    assert logged == ["INFO trial 0 begins", "INFO best: trial 0", "WARNING trial 3 is handed out again"]


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (KeyboardInterrupt("go on with: hico-platform x"), "WARNING interrupted go on with: hico-platform x"),
        (HicoError(Problem(rule="a disk with room", remedy=None)), "ERROR expected a disk with room"),
        (ZeroDivisionError("no"), "ERROR ZeroDivisionError: no"),
    ],
)
def test_the_log_says_why_it_ended(error: BaseException, kept: str, tmp_path: Path) -> None:
    log = RunLog()
    log.open(tmp_path / "log")
    with pytest.raises(type(error)), Output(Console(file=io.StringIO()), log=log):
        raise error
    assert (tmp_path / "log").read_text().splitlines()[-1].endswith(kept)


def test_what_a_study_holds_cannot_steer_the_terminal(tmp_path: Path) -> None:
    console, log = Console(file=io.StringIO()), RunLog()
    log.open(tmp_path / "log")
    Output(console, log=log).say("trial \x1b[31m0")
    assert "\x1b" not in said(console)[0] + (tmp_path / "log").read_text()


def test_the_name_of_the_log_is_said_once(tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    Output(console, log=RunLog()).open_log(tmp_path / "search.log")
    assert said(console) == [f"log {tmp_path / 'search.log'}"]


def test_where_the_log_is_is_said_once(tmp_path: Path) -> None:
    file = io.StringIO()
    output = Output(Console(file=file, width=200))
    for _ in range(2):
        output.open_log(tmp_path / "search.log")
    assert file.getvalue() == f"log {tmp_path / 'search.log'}\n"


def test_a_request_that_was_obeyed_is_a_line_of_progress_and_one_that_was_refused_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = io.StringIO()
    with Output(Console(file=file, width=200)):
        steering = logging.getLogger("hico_platform.search.steering")
        steering.info("ann on desk asked: extend by 2 trials: 12 trials now")
        steering.warning("ann on desk asked: stop trial 3: trial 3 has ended")
        logging.getLogger("hico_platform.search.anything").info("nothing for people")
    assert file.getvalue() == "ann on desk asked: extend by 2 trials: 12 trials now\n"
    assert capsys.readouterr().err == "warning: ann on desk asked: stop trial 3: trial 3 has ended\n"
