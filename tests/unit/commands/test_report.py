from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hico_platform.commands.report import report_content
from hico_platform.home import HomePaths
from hico_platform.retrain.comparison import compare
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.promotion import promotion
from hico_platform.retrain.results import RunResult, write_plan, write_result
from hico_platform.retrain.sequence_scores import SequenceScores, write_sequence_scores
from hico_platform.search.ledger.importance import parameter_importance
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.status import search_status
from tests.small import small_config
from tests.toy import FACTS, toy_space
from tests.unit.cli.test_search import carry_out


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a finished toy search of five trials, the last of them failed."""
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    ledger = StudyLedger.create(storage, name="toy", space=toy_space(trials=5), facts=FACTS, limit=5, at_s=0.0)
    carry_out(ledger, tmp_path / "searches" / "toy" / "trials", lambda event: None, fail=4)
    return tmp_path


def test_everything_is_gathered_from_the_ledger(home: Path) -> None:
    content = report_content(HomePaths(home=home), "toy")
    assert content.state == "finished"
    assert len(content.trials) == 5
    assert content.rungs == [1, 3]
    assert content.trials[4].reason == "ValueError: no"
    assert content.best_trial is not None
    assert content.best_trial.value == max(trial.value or 0 for trial in content.trials if trial.epoch == 9)
    assert content.facts["protocol"] == "xsub"
    assert "contrast.temperature" in content.parameters
    assert (content.score, content.facts["scored on"]) == ("kNN top-1", "validation subjects of the training split")


def test_the_report_names_the_score_that_the_search_goes_by(tmp_path: Path) -> None:
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    space = toy_space(objectives=["knn_subjects"])
    StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=5, at_s=0.0)
    content = report_content(HomePaths(home=tmp_path), "toy")
    assert content.score == "1-NN among all training subjects"
    assert content.facts["scored on"] == "all subjects of the training split"


def test_importance_compares_scores_of_one_epoch(home: Path) -> None:
    found = parameter_importance(open_storage(sqlite_url(home / "study.db")), name="toy")
    assert found is not None
    shares, epoch, trials = found
    assert (epoch, trials) == (1, 4)
    assert set(shares) <= {"contrast.temperature", "model.encoder"}


def test_final_results_with_what_goes_with_them(home: Path) -> None:
    plan = make_plan(small_config(), seeds=2, epochs=None, facts={})
    folder = home / "searches" / "toy" / "final" / plan.digest[:12]
    assert report_content(HomePaths(home=home), "toy").finals == []
    write_plan(folder, plan, {"split": "test"})
    for seed, score in ((0, 0.4), (1, 0.6)):
        result = RunResult(
            entry=Entry.BEST, seed=seed, epoch=4, metrics={"knn_top1": score}, checkpoint=None, seconds=1.0
        )
        write_result(folder / f"best-seed-{seed}", result)
    (table,) = report_content(HomePaths(home=home), "toy").finals
    assert table.facts == {"split": "test"}
    (row,) = table.rows
    mean, deviation, count = row.scores["knn_top1"]
    assert (row.name, round(mean, 6), count) == ("best configuration", 0.5, 2)
    assert deviation == pytest.approx(0.1414, abs=1e-4)


def test_intervals_tests_candidates_and_verdict_are_those_of_the_comparison(home: Path) -> None:
    plan = make_plan(small_config(), seeds=2, epochs=None, facts={})
    folder = home / "searches" / "toy" / "final" / plan.digest[:12]
    candidate = {"trial": 3, "searched": 0.5, "stopped": False, "mean": 0.4, "std": None, "seeds": 1, "chosen": True}
    write_plan(folder, plan, {"split": "test"}, candidates=[candidate])
    persons = np.arange(48) // 6
    for index, run in enumerate(plan.runs):
        right = (np.random.default_rng(index).random(48) < (0.9 if run.entry is Entry.BEST else 0.3)).astype(np.float32)
        write_sequence_scores(folder / run.key, SequenceScores(parts={"knn_top1": right}, persons=persons))
        metrics = {"knn_top1": float(right.mean())}
        result = RunResult(entry=run.entry, seed=run.seed, epoch=4, metrics=metrics, checkpoint=None, seconds=1.0)
        write_result(folder / run.key, result)
    (table,) = report_content(HomePaths(home=home), "toy").finals
    expected = compare(folder, plan.runs, metric="knn_top1")
    best = expected.intervals[Entry.BEST]["knn_top1"]
    assert table.intervals["best configuration"]["knn_top1"] == (best.low, best.high)
    assert [(one.name, one.metric, one.difference, one.p) for one in table.differences] == [
        (entry.heading, name, one.test.difference, one.p)
        for entry, found in expected.differences.items()
        for name, one in found.items()
    ]
    assert (table.persons, table.counted, table.seeds) == (8, "8 persons", 2)
    assert table.alias == "champion"
    assert table.verdict == promotion(expected, metric="knn_top1").sentence
    (one,) = table.candidates
    assert (one.trial, one.searched, one.mean, one.chosen) == (3, 0.5, 0.4, True)


def test_times_and_errors_are_the_ledgers(home: Path) -> None:
    status = search_status(HomePaths(home=home), "toy")
    content = report_content(HomePaths(home=home), "toy")
    for shown, trial in zip(content.trials, status.trials, strict=True):
        assert shown.busy_s == pytest.approx(status.busy_s(trial))
        assert list(shown.at_s.values()) == [report.at_s for report in trial.reports]
        assert shown.errors == {}
    assert content.simplexes == {}
    assert (content.cpus, content.gpus) == (1.0, 0.0)
    assert "contrast" in content.space
    assert content.named_importance is not None
    assert set(content.named_importance.shares) == {"contrast.temperature", "model.encoder"}


def test_the_report_says_how_many_sequences_had_no_label(tmp_path: Path) -> None:
    more = {"pretrain_only_sequences": 12, "unlabelled_sequences": 10}
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    StudyLedger.create(storage, name="toy", space=toy_space(), facts=replace(FACTS, more=more), limit=5, at_s=0.0)
    facts = report_content(HomePaths(home=tmp_path), "toy").facts
    assert (facts["pretrained on and never scored"], facts["without a label"]) == ("12 sequences", "10 sequences")


def test_what_the_page_does_not_show_is_there_where_it_is_asked_for(home: Path) -> None:
    paths = HomePaths(home=home)
    assert report_content(paths, "toy").importance is None
    found = report_content(paths, "toy", coordinates=True).importance
    assert found is not None
    shares = parameter_importance(open_storage(paths.storage_url, create=False), name="toy")
    assert (found.shares, found.epoch, found.trials) == shares
