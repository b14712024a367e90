from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from hico_platform.cli.views import evaluation_view as module
from hico_platform.cli.views.evaluation_view import EvaluationView, as_json, cell, print_evaluation
from hico_platform.commands.evaluation_report import EvaluationProgress
from hico_platform.evaluate.intervals import Interval
from tests.unit.commands.evaluated import entry, report


def test_the_table_has_scores_intervals_and_what_they_depend_on(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(report(entry(), entry("untrained", value=0.25, encoder=None)), by_class=False)
    said = capsys.readouterr().out
    for part in (
        "made, test split, xsub", "knn_top1", "50.0 (25.0-75.0)", "25.0 (25.0-75.0)", "plain_ece", "12.5",
        "8 sequences to train on, 4 scored of 2 persons, seed 0", "data dddddddddddd, code 0.1.0",
        "knn: kNN by cosine\n", "intervals: bootstrap over 2 persons\n",
        "encoder: checkpoint a?[31mrun, epochs not known, joint stream, weights eeeeeeeeeeee",
        "not run: transfer (asks for a target dataset)",
    ):  # fmt: skip
        assert part in said, part
    assert "accuracy by class" not in said
    assert "\x1b" not in said


def test_videos_are_not_called_persons(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(report(clusters="videos"), by_class=False)
    assert "4 scored of 2 videos, seed 0" in capsys.readouterr().out
    print_evaluation(report(clusters="sequences", persons=None), by_class=False)
    assert "4 scored, seed 0" in capsys.readouterr().out


def test_the_accuracy_by_class_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(report(), by_class=True)
    said = capsys.readouterr().out
    rows = [[part.strip() for part in line.split("│")[1:-1]] for line in said.splitlines() if "│" in line]
    assert [row for row in rows if len(row) == 3 and row[0] != "knn_top1"] == [
        ["sit", "2", "50.0"], ["[b]walk", "1", "100.0"], ["run, fast", "1", "0.0"],
    ]  # fmt: skip


def test_what_was_allowed_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(report(overlap=3), by_class=False)
    assert "3 of the scored sequences were trained on, as was allowed" in capsys.readouterr().out


def test_a_score_without_an_interval_stands_alone() -> None:
    assert cell(0.12345, None) == "12.3"
    assert cell(0.5, Interval(low=0.4, high=0.61, method="")) == "50.0 (40.0-61.0)"


def test_json_holds_everything() -> None:
    found = json.loads(json.dumps(as_json(report())))
    assert (found["protocol"], found["split"], found["seed"], found["data_digest"]) == ("xsub", "test", 0, "d" * 64)
    (one,) = found["entries"]
    assert one["checkpoint"] == {
        "source": "a\x1b[31mrun", "kind": "checkpoint", "digest": "e" * 64, "epochs": None, "stream": "joint",
        "provenance": {"scored_on": "val"},
    }  # fmt: skip
    knn = one["tasks"]["knn"]
    assert knn["scores"]["knn_top1"] == {
        "value": 0.5, "low": 0.25, "high": 0.75, "interval": "bootstrap over 2 persons", "few_persons": False
    }  # fmt: skip
    assert knn["by_class"] == {
        "sit": {"accuracy": 0.5, "sequences": 2},
        "[b]walk": {"accuracy": 1.0, "sequences": 1},
        "run, fast": {"accuracy": 0.0, "sequences": 1},
    }
    assert (knn["protocol"], knn["facts"]) == ("kNN by cosine", {"k": 1})
    assert one["tasks"]["plain"]["scores"]["plain_ece"] == {"value": 0.125, "low": None, "high": None}
    assert one["tasks"]["plain"]["by_class"] is None
    assert one["skipped"] == {"transfer": "a target dataset"}
    assert one["seconds"]["features"] == 1.0


def step(task: str, *, entry: str = "encoder", **more: object) -> EvaluationProgress:
    return EvaluationProgress(entry=entry, task=task, steps=4, **{"number": 1, **more})  # type: ignore[arg-type]


def test_in_a_log_each_step_is_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with EvaluationView(quiet=False) as view:
        view(step("features", total=10))
        now[0] = 60.0
        view(step("features", done=4, total=10))
        now[0] = 61.0
        view(step("features", done=5, total=10))
        now[0] = 150.0
        view(step("features", done=10, total=10, ended=True))
    assert capsys.readouterr().err.splitlines() == [
        "1 of 4: features, encoder: 4 of 10 1:30 left",
        "1 of 4: features, encoder took 2:30",
    ]


def test_the_time_left_is_that_of_the_entry_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100)
    with EvaluationView(quiet=False, console=console) as view:
        view(step("linear"))
        now[0] = 90.0
        view(step("linear", ended=True))
        view(step("linear", entry="untrained", number=2))
        now[0] = 120.0
        view(step("linear", entry="untrained", number=2, detail="epoch 3"))
        assert view._left(step("linear"), 120.0) == 60.0
        assert view._left(step("linear"), 999.0) is None, "it takes longer, nobody knows how much"
    assert "linear, untrained, epoch 3" in shown.getvalue()
    assert "1:00 left" in shown.getvalue()


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with EvaluationView(quiet=True) as view:
        view(step("knn"))
        view(step("knn", ended=True))
    assert capsys.readouterr().err == ""
