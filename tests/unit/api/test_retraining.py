from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hico_platform as hico
from hico_platform.api.retraining import Retraining
from hico_platform.commands import retrain as command
from hico_platform.config.schema import to_mapping
from hico_platform.evaluate.intervals import Interval, PairedTest
from hico_platform.home import HomePaths
from hico_platform.retrain.comparison import Comparison, Difference
from hico_platform.retrain.further_scores import FurtherScore, FurtherScores
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import RunResult, Spread
from hico_platform.retrain.run import RetrainReport
from tests.small import small_config, small_store
from tests.unit.api.finished import finished_search

INTERVAL = Interval(low=0.4, high=0.7, method="bootstrap over 9 persons")


def report(**more: Any) -> RetrainReport:
    best = RunResult(
        entry=Entry.BEST, seed=0, epoch=4, metrics={"knn_top1": 0.55}, checkpoint="/run/epoch-4", seconds=1.0
    )
    test = PairedTest(difference=0.1, interval=INTERVAL, p=0.01, p_greater=0.005, least_p=0.001, method="sign flips")
    given: dict[str, Any] = {
        "name": "mine",
        "config": small_config(),
        "summary": {
            Entry.UNTRAINED: {"knn_top1": Spread(mean=0.4, deviation=None, count=1)},
            Entry.BEST: {"knn_top1": Spread(mean=0.55, deviation=0.02, count=3)},
        },
        "results": [best],
        "champion": best,
        "model_version": 2,
        "alias": "champion",
        "directory": Path("/run"),
        "comparison": Comparison(
            persons=9,
            intervals={Entry.BEST: {"knn_top1": INTERVAL}},
            differences={Entry.UNTRAINED: {"knn_top1": Difference(test=test, p=0.02)}},
        ),
        "promotion": Promotion(alias="champion", reason="better <beyond> noise"),
        "facts": {"protocol": "xsub", "split": "test"},
    }
    return RetrainReport(**{**given, **more})


def test_the_tables_are_what_the_command_prints() -> None:
    result = Retraining(report(), HomePaths(home=Path("/home")))
    best = result.table.query("entry == 'best'").iloc[0]
    assert (best["mean"], best["std"], best["seeds"], best["low"], best["high"]) == (0.55, 0.02, 3, 0.4, 0.7)
    assert result.table.query("entry == 'untrained'").low.isna().all()
    assert result.table.attrs == {"protocol": "xsub", "split": "test"}
    row = result.differences.iloc[0]
    assert (row.entry, row.difference, row.p, row.p_holm, bool(row.better)) == ("untrained", 0.1, 0.01, 0.02, True)
    assert result.runs.knn_top1.tolist() == [0.55]
    assert (len(result.candidates), result.model, result.alias) == (0, "models:/mine/2", "champion")
    assert (result.reason, result.checkpoint) == ("Better <beyond> noise.", Path("/run/epoch-4"))
    assert result.config == to_mapping(small_config())


def test_further_tasks_have_a_table_of_their_own() -> None:
    found = FurtherScores(
        scores={
            Entry.BEST: {
                "semi_unstratified_5_linear_top1": FurtherScore(
                    spread=Spread(mean=0.5, deviation=0.1, count=3), interval=INTERVAL
                ),
                "occlusion_frames_50_linear_top1": FurtherScore(
                    spread=Spread(mean=0.6, deviation=None, count=1), interval=None
                ),
            }
        },
        skipped={"occlusion, raw pose": "an encoder"},
    )
    table = Retraining(report(further=found), HomePaths(home=Path("/home"))).further
    row = table.query("score == 'semi_unstratified_5_linear_top1'").iloc[0]
    assert row.to_dict() == {
        "entry": "best", "score": "semi_unstratified_5_linear_top1", "mean": 0.5, "std": 0.1, "seeds": 3, "low": 0.4,
        "high": 0.7, "interval": "bootstrap over 9 persons",
    }  # fmt: skip
    assert table.query("score == 'occlusion_frames_50_linear_top1'").low.isna().all()
    assert table.attrs["skipped"] == {"occlusion, raw pose": "an encoder"}
    nothing = Retraining(report(), HomePaths(home=Path("/home"))).further
    assert (len(nothing), list(nothing.columns)) == (0, list(table.columns))


def test_a_notebook_shows_it_escaped() -> None:
    text = Retraining(report(), HomePaths(home=Path("/home")))._repr_html_()
    assert "55.0 ± 2.0 [40.0, 70.0]" in text
    assert "Better &lt;beyond&gt; noise." in text


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def retrain(paths: HomePaths, inputs: Any, **named: Any) -> RetrainReport:
        found.update(paths=paths, inputs=inputs, **named)
        return report(unregistered="the server is away", model_version=None, alias=None)

    monkeypatch.setattr(command, "retrain_in_home", retrain)
    return found


def test_a_configuration_as_a_mapping(called: dict[str, Any], tmp_path: Path) -> None:
    small_store(tmp_path / "store", count=72)
    with pytest.warns(UserWarning, match="the model is not registered: the server is away; the same call") as warned:
        result = hico.retrain(
            config=to_mapping(small_config()),
            name="mine",
            data=tmp_path / "store",
            protocol="odd-subjects",
            home=tmp_path / "home",
            seeds=2,
            gpus=2,
        )
    assert warned[0].filename == __file__
    inputs = called["inputs"]
    assert (inputs.name, inputs.best, inputs.facts["config"]) == ("mine", small_config(), "mine")
    assert (inputs.gpus, inputs.cpus, called["seeds"], called["tasks"]) == (2, 2, 2, ("semi", "occlusion"))
    assert inputs.data.on_test_split
    assert (result.model, result.unregistered) == (None, "the server is away")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "search: expected a search, its name, or config="),
        ({"search": "a", "config": {}}, "search: expected a search, its name, or config="),
        ({"search": "a", "seeds": 0}, "seeds: expected at least 1, got 0"),
        ({"config": {}, "candidates": 2, "name": "a"}, "candidates: expected a search, of which several"),
        ({"config": {}}, "name: expected a name for the model"),
        ({"search": "../a"}, "search: expected a name of letters"),
        ({"search": "nothing"}, "nothing"),
    ],
)
def test_what_cannot_be(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(hico.UsageError, match=message):
        hico.retrain(**given, home=finished_search(tmp_path) if "nothing" in given.values() else tmp_path)
