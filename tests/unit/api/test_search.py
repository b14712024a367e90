from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import hico_platform as hico
from hico_platform.api import search as api
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.status import OtherStudy
from tests.toy import FACTS, score, toy_space
from tests.unit.api.finished import finished_search

WEIGHTS = [f"contrast.level_weights.{level}" for level in ("clip", "part", "domain", "instance")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_search(tmp_path_factory.mktemp("home"), trials=5, fail=4)


@pytest.fixture(scope="module")
def opened(home: Path) -> hico.Search:
    return hico.open_search("example", home=home)


class TestTrials:
    def test_a_row_a_trial_with_level_weights_by_name(self, opened: hico.Search) -> None:
        trials = opened.trials
        assert trials.index.tolist() == [0, 1, 2, 3, 4]
        assert trials.index.name == "trial"
        assert trials[WEIGHTS].sum(axis=1).tolist() == pytest.approx([4.0] * 5)
        assert trials.state.tolist()[-1] == "failed"
        assert trials.reason.tolist()[-1] == "ValueError: no"
        assert trials.attrs["protocol"] == "xsub"
        assert trials.attrs["split"] == "validation subjects of the training split"

    def test_scores_are_those_of_the_ledger(self, opened: hico.Search) -> None:
        trials = opened.trials.query("state != 'failed'")
        expected = [score(row["contrast.temperature"], row["epochs"]) for _, row in trials.iterrows()]
        assert trials.score.tolist() == pytest.approx(expected)
        assert trials["metrics.recognition_top1"].tolist() == pytest.approx([0.9 * one for one in expected])

    def test_the_types_of_the_columns_do_not_depend_on_the_trials(self, tmp_path: Path) -> None:
        StudyLedger.create(
            open_storage(sqlite_url(tmp_path / "study.db")),
            name="empty",
            space=toy_space(),
            facts=FACTS,
            limit=3,
            at_s=0.0,
        )
        empty = hico.open_search("empty", home=tmp_path)
        assert (len(empty.trials), len(empty.curves), empty.best, empty.state) == (0, 0, None, "interrupted")
        assert empty.trials.score.dtype == np.float64
        assert "contrast.temperature" in empty.trials
        assert "0 of 3 trials ended" in empty.progress


class TestBest:
    def test_it_is_the_best_of_the_table(self, opened: hico.Search) -> None:
        best, trials = opened.best, opened.trials
        assert best is not None
        complete = trials.query("state == 'complete'")
        assert best.trial == complete.score.idxmax()
        assert best.score == complete.score.max()
        assert best.values["contrast.temperature"] == complete["contrast.temperature"][best.trial]
        assert best.config["contrast"]["temperature"] == best.values["contrast.temperature"]
        assert opened.config(best.trial) == best.config
        assert str(best).startswith(f"trial {best.trial}: {best.score:.3f} after 9 epochs: contrast.")

    def test_its_interval_follows_from_the_standard_error_and_stays_within_0_and_1(self, opened: hico.Search) -> None:
        status = opened._status()
        (record,) = [trial for trial in status.trials if trial.number == status.best.number]
        for error, interval in ((0.1, (0.304, 0.696)), (0.9, (0.0, 1.0)), (None, None)):
            report = dataclasses.replace(record.reports[-1], value=0.5, standard_error=error)
            found = api._best(dataclasses.replace(record, reports=(report,)), status.space)
            assert found.interval == (None if interval is None else pytest.approx(interval, abs=1e-3))

    def test_a_trial_that_is_not_there(self, opened: hico.Search) -> None:
        with pytest.raises(hico.UsageError, match="expected a trial of example, 0 to 4, got 9"):
            opened.config(9)


def test_a_row_a_report_in_the_curves(opened: hico.Search) -> None:
    curves = opened.curves
    assert list(curves.columns[:5]) == ["trial", "epoch", "score", "standard_error", "decision"]
    first = curves.query("trial == 0")
    assert first.epoch.tolist() == [1, 3, 9][: len(first)]
    assert first["val.knn_top1"].tolist() == first.score.tolist()
    assert set(curves.decision) <= {"continue", "stop"}


def test_searches_of_a_home(home: Path, opened: hico.Search) -> None:
    assert [one.name for one in hico.list_searches(home=home)] == ["example"]
    assert (opened.home, opened.state, opened.ended_by, opened.seconds_left) == (home, "finished", None, None)
    assert [now.state for now in opened.watch(every_s=0)] == ["finished"]
    assert opened.front.index.tolist() == [opened.best.trial] if opened.best else False
    assert repr(opened).startswith("<Search example: finished, 5 of 5 trials ended; best trial ")


def test_a_search_that_cannot_be_read_is_left_out_with_a_warning(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = OtherStudy(name="newer", reason="cannot be read: expected a known key", is_search=True)
    theirs = OtherStudy(name="theirs", reason="not a search: a study that this package did not make")
    monkeypatch.setattr("hico_platform.search.status.searches", lambda paths: (newer, theirs))
    with pytest.warns(UserWarning, match="left out: search newer cannot be read: expected a known key") as said:
        assert hico.list_searches(home=home) == []
    assert len(said) == 1


def test_one_that_is_not_there(home: Path, tmp_path: Path) -> None:
    with pytest.raises(hico.UsageError, match="nothing"):
        hico.open_search("nothing", home=home)
    with pytest.raises(hico.UsageError):
        hico.open_search("example", home=tmp_path / "no home")
    assert not (tmp_path / "no home").exists(), "opening writes nothing"
    with pytest.raises(hico.UsageError, match="name: expected a name of letters"):
        hico.open_search("../example", home=home)


class TestFigures:
    @pytest.mark.parametrize("plot", ["plot_history", "plot_curves", "plot_parallel"])
    def test_each_trial_is_in_it(self, opened: hico.Search, plot: str) -> None:
        figure = getattr(opened, plot)()
        assert "example" in figure.layout.title.text
        text = figure.to_json()
        assert "transformer" in text or plot == "plot_history"
        assert "kNN top-1" in text

    def test_importance_names_level_weights_as_one(self, opened: hico.Search) -> None:
        bars = opened.plot_importance().data[0]
        assert set(bars.y) <= {"contrast.level_weights", "contrast.temperature", "model.encoder"}
        assert sum(bars.x) == pytest.approx(1.0)

    def test_a_search_without_trials(self, tmp_path: Path) -> None:
        storage = open_storage(sqlite_url(tmp_path / "study.db"))
        StudyLedger.create(storage, name="toy", space=toy_space(), facts=FACTS, limit=3, at_s=0.0)
        empty = hico.open_search("toy", home=tmp_path)
        for plot in (empty.plot_history, empty.plot_curves, empty.plot_parallel):
            assert plot().to_json()
        assert "0 of 3 trials ended" in empty._repr_html_()


class TestRunning:
    """What reaches the function that the command calls; the search itself is in tests/e2e/test_api.py."""

    @pytest.fixture
    def called(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> dict[str, Any]:
        from hico_platform.commands import search, search_inputs

        found: dict[str, Any] = {}

        def inputs(space: Any, **named: Any) -> Any:
            found.update(space=space, **named)
            return SimpleNamespace(facts=FACTS, function=None, probe=None, warnings=("half are short",))

        def run(request: Any, **named: Any) -> None:
            found.update(request=request, **named)

        monkeypatch.setattr(search_inputs, "search_inputs", inputs)
        monkeypatch.setattr(search, "run_search", run)
        return found

    def test_everything_that_is_given(self, called: dict[str, Any], tmp_path: Path) -> None:
        with pytest.warns(UserWarning, match="half are short") as warned:
            hico.search(
                "level_weights",
                data=tmp_path / "data",
                protocol="odd-subjects",
                name="mine",
                trials=7,
                set={"budget.epochs": np.int64(3), "sampler.name": "random", "scheduler.grace_epochs": 1},
                home=tmp_path / "home",
                checkpoints="s3://bucket/mine",
                address="auto",
                cpus=3,
                allow_overlap=True,
                progress=print,
            )
        assert warned[0].filename == __file__, "a warning names the caller's line"
        space, request = called["space"], called["request"]
        assert (space.base.budget.epochs, space.settings.sampler.name, space.settings.protocol) == (
            3,
            "random",
            "odd-subjects",
        )
        assert space.settings.allow_overlap
        assert (request.name, request.limit, request.resume) == ("mine", 7, False)
        assert called["data"] == str(tmp_path / "data")
        assert (called["cluster"].address, called["cluster"].cpus) == ("auto", 3)
        assert called["checkpoints"].url == "s3://bucket/mine"
        assert called["observers"] == [print]
        assert request.driver.command == "hico_platform.search(name='mine')"

    @pytest.mark.filterwarnings("ignore:half are short")
    def test_a_space_as_a_mapping_is_checked_as_a_file_is(self, called: dict[str, Any], tmp_path: Path) -> None:
        space = {
            "extends": "level_weights",
            "name": "mine",
            "base": {"budget.epochs": 2},
            "scheduler": {"grace_epochs": 1},
            "search": {"contrast.temperature": {"low": 0.1, "high": 0.2}},
            "points": ({"contrast.temperature": 0.15},),
        }
        hico.search(space, home=tmp_path)
        assert called["space"].base.budget.epochs == 2
        assert called["space"].base.model.hidden_width == 64, "of the space that it extends"
        assert called["request"].name == "mine"
        with pytest.raises(hico.ConfigError, match="expected a known key, got 'trails'; did you mean trials"):
            hico.search({**space, "trails": 3}, home=tmp_path)
        with pytest.raises(hico.ConfigError, match=r"space: base.budget.epochs: expected at least 1, got 0"):
            hico.search({**space, "base": {"budget": {"epochs": 0}}}, home=tmp_path)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({}, r"space: expected a space, or resume=True and a name"),
            ({"space": "level_weights", "trials": 0}, "trials: expected at least 1, got 0"),
            ({"space": "level_weights", "take_over": True}, "take_over: expected a search that is resumed"),
            ({"space": "level_weights", "name": "a b"}, "name: expected a name of letters"),
            ({"space": "no_such"}, "expected an existing file or the name of a space that ships"),
            ({"space": "level_weights", "set": {"trials": object()}}, r"set\['trials'\]: expected a number, a text"),
            ({"space": "level_weights", "data": "s3://key:word@bucket/x"}, "without keys"),
        ],
    )
    def test_what_cannot_be(self, given: dict[str, Any], message: str, tmp_path: Path) -> None:
        with pytest.raises(hico.HicoError, match=message):
            hico.search(**given, home=tmp_path / "home")
