from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from hico_platform.cli.views.output import Output
from hico_platform.cli.views.retrain_progress import RetrainView
from hico_platform.cli.views.run_log import RunLog
from hico_platform.enums import Signal
from hico_platform.retrain.candidates import CandidateRun
from hico_platform.retrain.plan import Entry, PlannedRun
from hico_platform.retrain.task_source import Overall, RunProgress
from hico_platform.search.messages import Activity
from hico_platform.search.phases import Phase
from tests.unit.cli.views.test_retrain_view import CONFIG, RESULTS


def run_of(entry: Entry, seed: int = 1) -> PlannedRun:
    return PlannedRun(entry=entry, seed=seed, config=CONFIG)


def view_on(file: io.StringIO, *, quiet: bool = False) -> RetrainView:
    return RetrainView(name="toy", output=Output(Console(file=file, width=200), quiet=quiet))


def test_a_pipe_gets_a_line_when_a_run_begins_and_ends_and_none_between(tmp_path: Path) -> None:
    file = io.StringIO()
    view = view_on(file)
    view.begins("toy", log=tmp_path / "retrain.log")
    with view:
        view.phase(Phase.TRACKING)
        view.phase(Phase.RAY)
        view(RunProgress(run=run_of(Entry.BEST), epoch=0))
        for epoch in (1, 2, 3):
            view(RunProgress(run=run_of(Entry.BEST), epoch=epoch))
        view(RunProgress(run=run_of(Entry.BEST), epoch=4, result=RESULTS[0]))
        view(RunProgress(run=run_of(Entry.RELEASED), epoch=1, failure="ValueError: \x1b[2J\nmore"))
        view(RunProgress(run=run_of(Entry.UNTRAINED), epoch=0))
        view(RunProgress(run=run_of(Entry.UNTRAINED), epoch=0, result=RESULTS[0]))
        candidate = CandidateRun(entry=Entry.CANDIDATE, seed=1, config=CONFIG, trial=7, digest="d" * 64)
        overall = Overall(epochs=6, of=20, left_s=125.0)
        view(RunProgress(run=candidate, epoch=4, result=RESULTS[0], overall=overall))
    assert [line.partition("] ")[2] or line for line in file.getvalue().splitlines()] == [
        f"log {tmp_path / 'retrain.log'}",
        "opening the tracking store",
        "starting Ray",
        "best configuration, seed 1: epoch 0 of 4",
        "best configuration, seed 1: test 1-NN 50.0%",
        "released settings, seed 1: failed: ValueError: ?[2J",
        "untrained encoder, seed 1: begins",
        "untrained encoder, seed 1: test 1-NN 50.0%",
        "candidate, trial 7, seed 1: validation 1-NN 50.0% | about 2:05 left of all",
    ]
    logged = (tmp_path / "retrain.log").read_text()
    assert [f"seed 1: epoch {epoch} of 4" in logged for epoch in (1, 2, 3)] == [True] * 3


def test_quiet_is_quiet() -> None:
    file = io.StringIO()
    with view_on(file, quiet=True) as view:
        view.phase(Phase.RAY)
        view(RunProgress(run=run_of(Entry.BEST), epoch=2))
    assert file.getvalue() == ""


def test_a_heartbeat_says_how_far_all_is_and_what_goes_on() -> None:
    file = io.StringIO()
    view = view_on(file)
    view(RunProgress(run=run_of(Entry.BEST), epoch=0, overall=Overall(epochs=2, of=16, left_s=61.0)))
    view.phase(Phase.WORKERS)
    view._beat()
    assert file.getvalue().splitlines()[-1].partition("] ")[2] == (
        "toy: retraining, 0 runs ended, 1 running, 2 of 16 epochs, starting workers (0:00), about 1:01 left of all"
    )


def test_what_a_run_does_is_shown_until_one_has_trained_an_epoch() -> None:
    view = view_on(io.StringIO())
    view(RunProgress(run=run_of(Entry.BEST), epoch=0, doing=Activity.KERNELS))
    assert "compiling and checking kernels (0:00)" in view.lines(width=200, height=None)[0].plain
    view(RunProgress(run=run_of(Entry.BEST), epoch=2, doing=Activity.TRAINING))
    view(RunProgress(run=run_of(Entry.BEST), epoch=1, doing=Activity.TRAINING))
    heading, row = view.lines(width=200, height=None)
    assert "compiling" not in heading.plain
    assert row.plain.split()[-2:] == ["running", "2/4"], "a late heartbeat is passed by"


@pytest.mark.parametrize(("width", "height"), [(60, 20), (80, 24), (120, 40)])
def test_a_screen_shows_what_fits_and_the_runs_at_work_first(width: int, height: int) -> None:
    view = view_on(io.StringIO())
    for seed in range(40):
        result = dataclasses.replace(RESULTS[0], seed=seed) if seed != 3 else None
        overall = Overall(epochs=9, of=160, left_s=61.0)
        view(RunProgress(run=run_of(Entry.BEST, seed), epoch=2, result=result, overall=overall))
    lines = [line.plain for line in view.lines(width=width, height=height - 1)]
    assert len(lines) <= height - 1
    assert max(map(len, lines)) <= width
    assert any(line.split()[3:5] == ["3", "running"] for line in lines)
    assert any("runs are not shown" in line for line in lines)


def test_a_terminal_is_drawn_and_keeps_every_run(tmp_path: Path) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, height=10, color_system=None)
    log = RunLog()
    log.open(tmp_path / "log")
    with RetrainView(name="toy", output=Output(screen, log=log)) as view:
        for seed in range(30):
            view(RunProgress(run=run_of(Entry.BEST, seed), epoch=4, result=RESULTS[0]))
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert all(f"best configuration, seed {seed}" in shown for seed in range(30))
    assert "best configuration, seed 29: test 1-NN 50.0%" in (tmp_path / "log").read_text()


def test_a_narrow_terminal_cuts_the_name_of_a_score_and_not_its_value(tmp_path: Path) -> None:
    view = view_on(io.StringIO())
    view.begins("toy", log=tmp_path / "retrain.log", signal=Signal.KNN_SUBJECTS)
    candidate = CandidateRun(entry=Entry.CANDIDATE, seed=1, config=CONFIG, trial=7, digest="d" * 64)
    scored = dataclasses.replace(RESULTS[0], metrics={**RESULTS[0].metrics, "knn_subjects": 0.5})
    view(RunProgress(run=candidate, epoch=4, result=scored))
    row = view.lines(width=80, height=None)[1].plain
    assert row.startswith("candidate, trial 7, seed 1  ended  4/4  50.0% validation 1-NN among all")


def test_tasks_after_a_run_are_named_while_they_run_and_when_they_have_ended() -> None:
    file = io.StringIO()
    view = view_on(file)
    view(RunProgress(run=run_of(Entry.BEST), epoch=4, result=RESULTS[0]))
    view(RunProgress(run=run_of(Entry.BEST), epoch=4, further=("semi", "occlusion")))
    heading, row = view.lines(width=200, height=None)
    assert "0 runs ended, 1 running" in heading.plain
    assert row.plain.split()[4:] == ["evaluating", "4/4", "semi,", "occlusion"]
    view(RunProgress(run=run_of(Entry.BEST), epoch=4, result=RESULTS[0], further=("semi", "occlusion")))
    assert view.lines(width=200, height=None)[1].plain.split()[4:] == ["ended", "4/4", "50.0%", "test", "1-NN"]
    assert [line.partition("] ")[2] for line in file.getvalue().splitlines()] == [
        "best configuration, seed 1: test 1-NN 50.0%",
        "best configuration, seed 1: begins: semi, occlusion",
        "best configuration, seed 1: ended: semi, occlusion",
    ]
