from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hico_platform.commands.report import report_content
from hico_platform.home import HomePaths
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.results import RunResult, write_plan, write_result
from hico_platform.search.ledger.importance import parameter_importance
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
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


def test_the_report_says_how_many_sequences_had_no_label(tmp_path: Path) -> None:
    more = {"pretrain_only_sequences": 12, "unlabelled_sequences": 10}
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    StudyLedger.create(storage, name="toy", space=toy_space(), facts=replace(FACTS, more=more), limit=5, at_s=0.0)
    facts = report_content(HomePaths(home=tmp_path), "toy").facts
    assert (facts["pretrained on and never scored"], facts["without a label"]) == ("12 sequences", "10 sequences")
