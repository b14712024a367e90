from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

import pytest

from hico_platform.cli.views.retrain_view import COLUMNS, as_json, next_commands, print_report
from hico_platform.enums import Clusters
from hico_platform.evaluate.intervals import Interval, PairedTest
from hico_platform.retrain.candidates import Candidate, Validated
from hico_platform.retrain.comparison import Comparison, Difference
from hico_platform.retrain.further_scores import FurtherScore, FurtherScores
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import METRICS, RunResult, spread, summarise
from hico_platform.retrain.run import RetrainReport
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
    alias="champion",
    directory=Path("/results"),
    facts=FACTS,
    comparison=Comparison(untested="an old version"),
    promotion=Promotion(alias="champion", reason="better beyond noise"),
)


def interval(low: float, high: float) -> Interval:
    return Interval(low=low, high=high, method="bootstrap over 8 persons and 2 seeds")


def difference(value: float, p: float, *, holm: float) -> Difference:
    test = PairedTest(
        difference=value, interval=interval(value - 0.1, value + 0.1), p=p, p_greater=p / 2, least_p=0.001,
        method="sign flips of 8 persons, all flips",
    )  # fmt: skip
    return Difference(test=test, p=holm)


COMPARED = dataclasses.replace(
    REPORT,
    alias="challenger",
    comparison=Comparison(
        persons=8,
        seeds=2,
        intervals={
            Entry.BEST: {"knn_top1": interval(0.411, 0.789), "recognition_top1": interval(0.7, 0.8)},
            Entry.RAW_POSE: {"knn_top1": interval(0.2, 0.3)},
        },
        differences={
            Entry.RELEASED: {"knn_top1": difference(0.35, 0.0002, holm=0.0004)},
            Entry.RAW_POSE: {"knn_top1": difference(-0.05, 0.2, holm=0.213)},
        },
    ),
    promotion=Promotion(alias="challenger", reason="not better beyond noise"),
    candidates=(
        Validated(candidate=Candidate(trial=7, config=CONFIG, searched=0.61), score=spread([0.4, 0.6]), chosen=False),
        Validated(
            candidate=Candidate(trial=2, config=CONFIG, searched=0.5, stopped=True), score=spread([0.6]), chosen=True
        ),
    ),
)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│┃ \n").replace("┃", "│").split("│")]


def test_the_comparison_is_in_percent_with_its_spread_and_facts(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(REPORT, again="hico-platform retrain toy")
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
    print_report(lacking, again="hico-platform retrain toy")
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "1 writes were refused by the tracking store: too long",
        "the tracking store was away: 2 writes are missing there",
        "The model is not registered: the store is away",
        "once that is mended, this makes up for it, without training again: hico-platform retrain toy",
    ]


def test_what_comes_next_is_said_of_what_there_is() -> None:
    assert list(next_commands(COMPARED, is_search=True, stores=" --home here")) == [
        "Next: hico-platform report toy --home here",
        "Use the model: hico-platform predict --model toy@challenger FILE... --home here",
    ]
    unregistered = dataclasses.replace(REPORT, model_version=None)
    assert list(next_commands(unregistered, is_search=False, stores="")) == [], "a file has no report"


def test_as_plain_values() -> None:
    plain = as_json(REPORT)
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
        "alias": "champion",
        "why": "better beyond noise",
        "version": 3,
        "checkpoint": "c1",
        "unregistered": None,
    }
    assert (plain["name"], plain["epochs"], plain["facts"], plain["directory"]) == ("toy", 4, FACTS, "/results")
    assert (plain["untracked"], plain["refused"], plain["refusal"]) == (0, 0, None)
    assert (plain["differences"], plain["untested"], plain["candidates"]) == ({}, "an old version", [])
    assert "low" not in best["knn_top1"], "results of an older version print as they did"


def test_intervals_differences_candidates_and_the_verdict_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(COMPARED, again="hico-platform retrain toy")
    text = capsys.readouterr().out
    rows = [cells(line) for line in text.splitlines() if "│" in line or "┃" in line]
    assert rows == [
        ["trial", "1-NN in the search", "1-NN, mean over seeds"],
        ["7", "61.0", "50.0 ± 14.1"],
        ["2", "50.0 (stopped early)", "60.0", "chosen"],
        ["1-NN", "linear probe"],
        ["raw pose", "25.0"],
        ["20.0-30.0"],
        ["best configuration", "60.0 ± 14.1", "75.0 ± 0.0"],
        ["41.1-78.9", "70.0-80.0"],
        ["1-NN"],
        ["released settings", "+35.0 [25.0, 45.0]"],
        ["p below 0.001"],
        ["raw pose", "-5.0 [-15.0, 5.0]"],
        ["p 0.213"],
    ]
    words = " ".join(text.split())
    assert "below it the 95 % interval over 8 persons and 2 seeds;" in words
    assert "best configuration less" in words
    assert "Registered: models:/toy@challenger (version 3) Not better beyond noise. Results" in words


def test_one_seed_has_an_interval_over_persons_alone_and_this_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    one = dataclasses.replace(COMPARED, comparison=dataclasses.replace(COMPARED.comparison, seeds=1))
    print_report(one, again="hico-platform retrain toy")
    assert "interval over 8 persons, not over seeds, of which there is one;" in " ".join(
        capsys.readouterr().out.replace("\n", " ").split()
    )


def test_videos_are_not_called_persons(capsys: pytest.CaptureFixture[str]) -> None:
    videos = dataclasses.replace(
        COMPARED, comparison=dataclasses.replace(COMPARED.comparison, clusters=Clusters.VIDEOS)
    )
    print_report(videos, again="hico-platform retrain toy")
    words = " ".join(capsys.readouterr().out.split())
    assert "95 % interval over 8 videos and 2 seeds;" in words
    assert "sign flips of videos' differences" in words
    assert as_json(videos)["clusters"] == "videos"


def test_no_persons_are_named_where_none_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = dataclasses.replace(COMPARED, comparison=dataclasses.replace(COMPARED.comparison, persons=0))
    print_report(unknown, again="hico-platform retrain toy")
    words = " ".join(capsys.readouterr().out.split())
    assert "95 % interval over sequences (no persons are known) and 2 seeds;" in words


def test_the_comparison_as_plain_values() -> None:
    plain = json.loads(json.dumps(as_json(COMPARED)))
    assert plain["summary"]["best"]["knn_top1"] == {
        "mean": pytest.approx(0.6),
        "std": pytest.approx(0.1414, abs=1e-4),
        "seeds": 2,
        "low": 0.411,
        "high": 0.789,
        "interval": "bootstrap over 8 persons and 2 seeds",
    }
    assert plain["differences"]["released"]["knn_top1"] == {
        "difference": 0.35,
        "low": pytest.approx(0.25),
        "high": pytest.approx(0.45),
        "interval": "bootstrap over 8 persons and 2 seeds",
        "p": 0.0002,
        "p_holm": 0.0004,
        "p_one_sided": 0.0001,
        "test": "sign flips of 8 persons, all flips",
        "better": True,
    }
    assert (plain["persons"], plain["metric"], plain["untested"]) == (8, "knn_top1", None)
    assert (plain["champion"]["model"], plain["champion"]["why"]) == (
        "models:/toy@challenger",
        "not better beyond noise",
    )
    assert plain["candidates"][1] == {
        "trial": 2, "searched": 0.5, "stopped": True, "mean": 0.6, "std": None, "seeds": 1, "chosen": True,
    }  # fmt: skip


@pytest.mark.parametrize("width", [60, 80])
def test_a_table_that_is_wider_than_the_terminal_has_a_row_for_each_metric(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = dict.fromkeys(COLUMNS[1:], 0.5)
    entries = (Entry.RAW_POSE, Entry.UNTRAINED, Entry.RELEASED, Entry.BEST)
    results = [result(entry, seed, 0.5, **more) for entry in entries for seed in (0, 1)]
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_report(dataclasses.replace(REPORT, summary=summarise(results)), again="")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(len(line) for line in lines if "│" in line) <= width
    rows = [cells(line) for line in lines if line.startswith("│")]
    if width < 80:
        return  # cells are broken between words
    assert [row[0] for row in rows] == [METRICS[name] for name in COLUMNS]
    assert rows[0][1:] == ["50.0 ± 0.0"] * 4


FURTHER = FurtherScores(
    scores={
        Entry.RAW_POSE: {"semi_unstratified_5_linear_top1": FurtherScore(spread=spread([0.3]), interval=None)},
        Entry.BEST: {
            "semi_unstratified_5_linear_top1": FurtherScore(spread=spread([0.4, 0.6]), interval=interval(0.35, 0.65)),
            "semi_per_class_5_linear_top1": FurtherScore(spread=spread([0.9]), interval=None),
            "occlusion_frames_50_linear_top1": FurtherScore(spread=spread([0.8]), interval=None),
        },
    },
    protocols={"semi": "five draws", "occlusion": "zeros"},
    skipped={"occlusion, raw pose": "an encoder"},
    failed={"finetune, best configuration, seed 0": "no memory"},
)


def test_further_tasks_have_a_table_of_their_own_and_what_failed_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    report = dataclasses.replace(REPORT, further=FURTHER)
    print_report(report, again="hico-platform retrain toy")
    shown = capsys.readouterr().out
    assert "toy: semi, occlusion" in shown
    assert re.search(r"raw pose +│ +30\.0 │ +│", shown)
    assert re.search(r"best configuration │ +50\.0 ± 14\.1 │ +80\.0 │", shown)
    assert "35.0-65.0" in shown
    assert "5 % of labels, linear probe" in shown
    assert "90.0" not in shown, "one way of drawing labels is enough"
    assert "finetune, best configuration, seed 0 could not be scored: no memory" in shown
    assert "hico-platform retrain toy" in shown
    plain = json.loads(json.dumps(as_json(report)))["further"]
    assert plain["scores"]["best"]["semi_per_class_5_linear_top1"] == {"mean": 0.9, "std": None, "seeds": 1}
    assert plain["skipped"] == {"occlusion, raw pose": "an encoder"}
