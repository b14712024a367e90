from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from hico_platform.cli.views.retrain_view import RetrainView, as_json, print_report
from hico_platform.retrain.plan import Entry, PlannedRun
from hico_platform.retrain.results import RunResult, summarise
from hico_platform.retrain.run import RetrainReport
from hico_platform.retrain.task_source import RunProgress
from tests.small import small_config

FACTS = {
    "protocol": "xsub",
    "train_sequences": "32",
    "test_sequences": "16",
    "dataset": "small",
    "data_digest": "d" * 64,
    "code_version": "test",
}
CONFIG = small_config()


def result(entry: Entry, seed: int, knn: float, **metrics: float) -> RunResult:
    return RunResult(
        entry=entry, seed=seed, epoch=4, metrics={"knn_top1": knn, **metrics}, checkpoint=f"c{seed}", seconds=1.5
    )


RESULTS = (
    result(Entry.BEST, 0, 0.5, recognition_top1=0.75),
    result(Entry.BEST, 1, 0.7, recognition_top1=0.75),
    result(Entry.RAW_POSE, 0, 0.25),
)
REPORT = RetrainReport(
    name="toy",
    config=CONFIG,
    summary=summarise(RESULTS),
    results=RESULTS,
    champion=RESULTS[1],
    model_version=3,
    directory=Path("/results"),
)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│┃ \n").replace("┃", "│").split("│")]


def test_the_comparison_is_in_percent_with_its_spread_and_facts(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(REPORT, FACTS, again="hico-platform retrain toy")
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert "toy: test split, xsub, 4 epochs, 2 seeds" in text
    assert "32 train and 16 test sequences of small, data dddddddddddd, code test" in " ".join(text.split())
    assert [cells(line) for line in lines if "│" in line or "┃" in line] == [
        ["1-NN", "linear probe"],
        ["raw pose", "25.0"],
        ["best configuration", "60.0 ± 14.1", "75.0 ± 0.0"],
    ]
    assert "Registered: models:/toy@champion (version 3)" in text
    assert "Results and checkpoints: /results" in text
    assert "without training again" not in text


def test_what_is_missing_is_said_with_the_command_that_makes_up_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    lacking = dataclasses.replace(
        REPORT, model_version=None, unregistered="the store is away", untracked=2, refused=1, refusal="too long"
    )
    print_report(lacking, FACTS, again="hico-platform retrain toy")
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "1 writes were refused by the tracking store: too long",
        "the tracking store was away: 2 writes are missing there",
        "The model is not registered: the store is away",
        "once that is mended, this makes up for it, without training again: hico-platform retrain toy",
    ]


def test_as_plain_values() -> None:
    plain = as_json(REPORT, FACTS)
    best = plain["summary"]["best"]
    assert best["knn_top1"] == {"mean": pytest.approx(0.6), "std": pytest.approx(0.1414, abs=1e-4), "seeds": 2}
    assert plain["summary"]["raw pose"] == {"knn_top1": {"mean": 0.25, "std": None, "seeds": 1}}
    assert plain["runs"][0] == {
        "entry": "best",
        "seed": 0,
        "metrics": {"knn_top1": 0.5, "recognition_top1": 0.75},
        "seconds": 1.5,
    }
    assert plain["champion"] == {
        "model": "models:/toy@champion",
        "version": 3,
        "checkpoint": "c1",
        "unregistered": None,
    }
    assert (plain["name"], plain["epochs"], plain["facts"], plain["directory"]) == ("toy", 4, FACTS, "/results")
    assert (plain["untracked"], plain["refused"], plain["refusal"]) == (0, 0, None)


def run_of(entry: Entry) -> PlannedRun:
    return PlannedRun(entry=entry, seed=1, config=CONFIG)


def test_a_log_gets_a_line_for_each_step_of_a_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((0.0, 61.0, 62.0, 63.0, 64.0, 65.0))
    monkeypatch.setattr("hico_platform.cli.views.retrain_view.time.monotonic", lambda: next(clock))
    with RetrainView(name="toy", quiet=False) as view:
        view(RunProgress(run=run_of(Entry.BEST), epoch=2))
        view(RunProgress(run=run_of(Entry.BEST), epoch=4, result=RESULTS[0]))
        view(RunProgress(run=run_of(Entry.RELEASED), epoch=1, failure="ValueError: \x1b[2J\nmore"))
        view(RunProgress(run=run_of(Entry.UNTRAINED), epoch=0))
        view(RunProgress(run=run_of(Entry.UNTRAINED), epoch=0, result=RESULTS[0]))
    assert [line.rstrip() for line in capsys.readouterr().err.splitlines()] == [
        "   61 s  best configuration, seed 1: epoch 2 of 4",
        "   62 s  best configuration, seed 1: epoch 4 of 4 test 1-NN 50.0%",
        "   63 s  released settings, seed 1: epoch 1 of 4 failed: ValueError: ?[2J",
        "   64 s  untrained encoder, seed 1: test 1-NN 50.0%",
    ]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with RetrainView(name="toy", quiet=True) as view:
        view(RunProgress(run=run_of(Entry.BEST), epoch=2))
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar_for_each_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with RetrainView(name="toy", quiet=False) as view:
        for seed in (0, 1):
            run = dataclasses.replace(run_of(Entry.BEST), seed=seed)
            view(RunProgress(run=run, epoch=2))
            view(RunProgress(run=run, epoch=3))
        assert [task.completed for task in view._progress.tasks] == [3, 3]
    text = capsys.readouterr().err
    assert "best configuration, seed 0" in text
    assert "epoch 3 of 4" in text
